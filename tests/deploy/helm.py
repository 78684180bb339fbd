"""Helm's own code as a library, installing into a stand-in for Kubernetes."""

import asyncio
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.deploy.kubernetes_api import kubernetes

CHARTS: Final = Path(__file__).parents[2] / "deploy" / "helm"


def installed(chart: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What `helm install prod` makes of a chart; raises what Helm says."""
    with kubernetes() as cluster:
        helm = _helm()
        configuration = helm.Configuration(namespace="gateways", kubeconfig=cluster.kubeconfig)
        asyncio.run(helm.Install(configuration).run("prod", str(CHARTS / chart), values=values, wait=False))
        return cluster.objects


def _helm() -> Any:
    """Helm's own code as a library, installed beside the other tools."""
    beside = str(Path(sys.prefix) / "helm")
    sys.path.append(beside)
    try:
        import helm_sdkpy  # noqa: PLC0415
    finally:
        sys.path.remove(beside)
    return helm_sdkpy


def containers(objects: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    specs = [each["spec"]["template"]["spec"] for each in objects if each["kind"] in {"Deployment", "DaemonSet"}]
    return [container for spec in specs for container in [*spec.get("initContainers", []), *spec["containers"]]]
