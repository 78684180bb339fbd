"""Envoy's statistics under APISIX's names."""

from goldens import ROOT, Golden
from prometheus_client.parser import text_string_to_metric_families

from gatefleet.node.metrics import Node, rename

NODE = Node(hostname="gateway-1", version="0.1.0", gateway_group_id="default", instance_id="i1", connected=True)


def test_every_statistic_has_its_apisix_name_and_labels(golden: Golden) -> None:
    renamed = rename((ROOT / "metrics" / "envoy.txt").read_text(), NODE)
    golden(ROOT / "metrics" / "apisix.txt", renamed)


def test_what_comes_out_is_prometheus_text() -> None:
    renamed = rename((ROOT / "metrics" / "envoy.txt").read_text(), NODE)
    found = {s.name for family in text_string_to_metric_families(renamed) for s in family.samples}
    assert {"apisix_http_status_total", "apisix_http_latency_bucket", "apisix_node_info"} <= found


def test_an_idle_node_has_metrics_too() -> None:
    assert 'apisix_http_requests_total{gateway_group_id="default",instance_id="i1"} 0\n' in rename("", NODE)
