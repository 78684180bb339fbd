"""What a node counts for a ring, out of what its Envoy tells."""

from math import inf

from gatefleet.fleet import Counted
from gatefleet.node.traffic import counted, path

STATISTICS = r"""# TYPE envoy_gf_http_status counter
envoy_gf_http_status{code="200",consumer="",of="2:s1r1"} 7
envoy_gf_http_status{code="503",consumer="jack",of="2:s1r1"} 2
envoy_gf_http_status{code="500",consumer="",of="11:the \"shop\"\\r2"} 1
envoy_gf_http_status{code="200",consumer=",of=\"2:s1r1\"",of="2:s2r"} 100
envoy_gf_http_status{code="200",consumer="",of="0:r"} 100
# TYPE envoy_gf_latency_request histogram
envoy_gf_latency_request_bucket{consumer="",of="2:s1r1",le="1"} 3
envoy_gf_latency_request_bucket{consumer="",of="2:s1r1",le="+Inf"} 7
envoy_gf_latency_request_bucket{consumer="jack",of="2:s1r1",le="1"} 1
envoy_gf_latency_request_bucket{consumer="jack",of="2:s1r1",le="+Inf"} 2
envoy_gf_latency_request_sum{consumer="",of="2:s1r1"} 2.0476190476190474
envoy_gf_latency_request_count{consumer="",of="2:s1r1"} 7
envoy_gf_latency_request_bucket{consumer="",of="2:s2r",le="1"} 100
"""


def test_each_services_requests_are_added_up_whatever_they_are_counted_under() -> None:
    watched = {"s1": ("s1", 'the "shop"\\'), "s3": ("s3",)}
    assert counted(STATISTICS, watched) == {"s1": Counted(10, 3, ((1.0, 4), (inf, 9))), "s3": Counted()}


def test_only_what_is_watched_is_asked_for() -> None:
    asked = path({"s1": ("s1", "a shop (new)"), "b": ("b.c",)})
    assert asked.startswith("/stats/prometheus?filter=%5Egf%5C.")
    assert "b%5C.c" in asked
    assert " " not in asked
    assert "(" not in asked
