"""What a node has counted, under APISIX's names."""

from math import inf

from goldens import ROOT, Golden
from prometheus_client.parser import text_string_to_metric_families

from gatefleet.native.series import Counted, Latency, Series
from gatefleet.node.metrics import Node, page

NODE = Node(hostname="gateway-1", version="0.1.0", gateway_group_id="default", instance_id="i1", connected=True)
STATISTICS = (ROOT / "metrics" / "envoy.txt").read_text()
NONE = Latency(0, ((1.0, 0), (2.0, 0), (inf, 0)))
COUNTED = Counted(
    (
        Series(
            of="2:s1r1",
            consumer="jack",
            bytes_in=12,
            bytes_out=937,
            codes={"200": 1, "503": 2, "other": 1},
            request=Latency(62_346, ((1.0, 0), (2.0, 3), (inf, 4))),
            upstream=Latency(1_500, ((1.0, 0), (2.0, 1), (inf, 1))),
        ),
        Series('0:r "2"\\', "", bytes_in=0, bytes_out=33, codes={"404": 3}, request=NONE, upstream=NONE),
    ),
    lost=2,
)


def test_everything_that_is_counted_has_its_apisix_name_and_labels(golden: Golden) -> None:
    golden(ROOT / "metrics" / "apisix.txt", page(STATISTICS, COUNTED, NODE))


def test_what_comes_out_is_prometheus_text() -> None:
    families = text_string_to_metric_families(page(STATISTICS, COUNTED, NODE))
    found = {s.name for family in families for s in family.samples}
    assert {"apisix_http_status_total", "apisix_http_latency_bucket", "apisix_node_info"} <= found


def test_an_idle_node_has_metrics_too() -> None:
    assert 'apisix_http_requests_total{gateway_group_id="default",instance_id="i1"} 0\n' in page("", Counted(), NODE)
