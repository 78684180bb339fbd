"""What a node has served of some services, read from its Envoy's counters; the prometheus plugin makes them count."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from gatefleet.fleet import Counted

_STATUS: Final = ("envoy_gf_http_status", "envoy_gf_http_status_total")
"""The parser adds `_total` to counters."""
_LATENCY: Final = "envoy_gf_latency_request_bucket"


def path(services: Mapping[str, Sequence[str]]) -> str:
    """What to ask Envoy's admin interface for: only these services' counters, whatever else it counts."""
    names = "|".join(sorted(re.escape(name) for labels in services.values() for name in labels))
    wanted = rf"^gf\.(http_status|latency_request)\..*service\.({names})(\.|$)"
    return f"/stats/prometheus?filter={quote(wanted, safe='')}"


def counted(statistics: str, services: Mapping[str, Sequence[str]]) -> Mapping[str, Counted]:
    """Each service's requests, those answered with 5xx, and how long they took; zeros before the first."""
    known = {label: service for service, labels in services.items() for label in labels}
    found: dict[str, list[Sample]] = {service: [] for service in services}
    for sample in _samples(statistics):
        if service := known.get(sample.labels.get("service", "")):
            found[service].append(sample)
    return {service: _counted(samples) for service, samples in found.items()}


def _samples(statistics: str) -> Iterator[Sample]:
    return (s for family in text_string_to_metric_families(statistics) for s in family.samples)


def _counted(samples: Iterable[Sample]) -> Counted:
    requests, errors, latency = 0, 0, dict[float, int]()
    for sample in samples:
        if sample.name in _STATUS:
            requests += int(sample.value)
            errors += int(sample.value) if sample.labels.get("code", "").startswith("5") else 0
        elif sample.name == _LATENCY:
            bound = float(sample.labels["le"])
            latency[bound] = latency.get(bound, 0) + int(sample.value)
    return Counted(requests, errors, tuple(sorted(latency.items())))
