"""The charts, installed by Helm itself into a stand-in that keeps what it is sent; held to Kubernetes' own schemas."""

from typing import Any, Final

import pytest

from gatefleet.settings import AdminSettings, BackupSettings, DpmSettings, NodeSettings
from tests.deploy.helm import containers, installed

PLANE: Final = {"postgresql": {"dsn": "postgresql://x"}, "encryption_key": {"existingSecret": "key"}}
GATEWAY: Final = {"dp_manager": {"address": "https://dpm:7943", "existingSecret": "join"}}
ZONES: Final = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
EVERYTHING: Final[dict[str, Any]] = {
    "gatefleet": {
        **PLANE,
        "backup": {"enabled": True},
        "backup_configuration": {"fallback_aws_s3_config_bucket": "copies", "keep": 5},
        "dashboard": {"autoscaling": {"enabled": True}, "keyCertSecret": "tls", "extraEnvVarsSecret": "more"},
        "dashboard_service": {"type": "NodePort", "nodePort": 30080, "ingress": {"enabled": True, "hosts": ["a.test"]}},
        "dashboard_configuration": {"session_hours": 8},
        "dp_manager": {"topologySpreadConstraints": [ZONES]},
        "dp_manager_configuration": {"names": "dpm.example.com", "history_days": 30},
        "serviceMonitor": {"enabled": True},
    },
    "gatefleet-gateway": {
        **GATEWAY,
        "apisix": {"autoscaling": {"enabled": True}, "extraEnvVars": [{"name": "TZ", "value": "UTC"}]},
        "gateway": {"type": "LoadBalancer", "stream": {"tcp": [9100], "udp": [9200]}},
        "deployment": {"fallback_cp": {"aws_s3_config_bucket": "copies", "existingSecret": "keys"}},
        "configuration": {"labels": "env=prod", "drain_timeout": 30},
        "serviceMonitor": {"enabled": True},
    },
}
"""Values that switch on whatever each chart has."""
SETTINGS: Final = {
    f"{kind.model_config.get('env_prefix')}{name.upper()}"
    for kind in (AdminSettings, BackupSettings, DpmSettings, NodeSettings)
    for name in kind.model_fields
}


@pytest.mark.parametrize(
    ("chart", "values"),
    [
        ("gatefleet", PLANE),
        ("gatefleet-gateway", GATEWAY),
        ("gatefleet-gateway", {**GATEWAY, "apisix": {"kind": "DaemonSet"}}),
        *EVERYTHING.items(),
    ],
)
def test_what_helm_installs_is_what_kubernetes_takes_and_gatefleet_knows(chart: str, values: dict[str, Any]) -> None:
    import kubernetes_validate  # noqa: PLC0415 - takes seconds to load, which every worker would spend

    objects = installed(chart, values)
    assert objects
    for each in objects:
        if each["kind"] != "PodMonitor":  # the Prometheus operator's, not in Kubernetes' schemas
            kubernetes_validate.validate(each, "1.30", strict=True)
    told = {entry["name"] for container in containers(objects) for entry in container["env"]} - {"TZ"}
    assert told <= SETTINGS
    assert all(container["securityContext"]["allowPrivilegeEscalation"] is False for container in containers(objects))


def test_every_part_has_what_high_availability_needs() -> None:
    plane, gateway = (installed(chart, values) for chart, values in EVERYTHING.items())
    kinds = sorted(each["kind"] for each in plane if each["kind"] not in {"Service", "ServiceAccount", "Secret"})
    assert (
        kinds
        == ["Deployment"] * 3
        + ["HorizontalPodAutoscaler", "Ingress"]
        + ["PodDisruptionBudget"] * 2
        + ["PodMonitor"] * 3
    )
    assert sorted(each["kind"] for each in gateway) == [
        "Deployment",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "PodMonitor",
        "Service",
        "ServiceAccount",
    ]
    for each in (*plane, *gateway):
        if each["kind"] == "Deployment":
            assert each["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]
            assert each["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@pytest.mark.parametrize(
    ("chart", "values", "told"),
    [
        ("gatefleet", {}, "encryption_key.existingSecret is required"),
        ("gatefleet", {"encryption_key": {"existingSecret": "key"}}, "postgresql.dsn or postgresql.existingSecret"),
        ("gatefleet-gateway", {}, "dp_manager.address is required"),
        ("gatefleet-gateway", {**GATEWAY, "apisix": {"kind": "Pod"}}, "apisix.kind is Deployment or DaemonSet"),
    ],
)
def test_a_value_that_is_missing_or_wrong_is_named(chart: str, values: dict[str, Any], told: str) -> None:
    with pytest.raises(Exception, match=told):
        installed(chart, values)
