"""What the endpoints of telemetry take and answer, as JSON Schemas."""

from collections.abc import Mapping
from typing import Final

from gatefleet import figures
from gatefleet.admin import openapi
from gatefleet.admin.openapi import TEXT, TIME, Schema

MOST_ENTRIES: Final = 500
BY: Final[Mapping[str, tuple[str, ...]]] = {
    "none": (),
    "gateway_group": ("group_id",),
    "service": ("group_id", "service_id"),
    "route": ("group_id", "service_id", "name"),
    "consumer": ("group_id", "name"),
    "instance": ("group_id", "name"),
}
"""What a series is about, and the columns that tell series apart."""
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
RATIO: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
MILLISECONDS: Final[Schema] = {"type": ["number", "null"], "minimum": 0, "description": "null: no request was measured"}
STATUS: Final[Schema] = {"type": "object", "properties": dict.fromkeys(figures.CLASSES, COUNT)}
_SUMMED: Final[Schema] = {
    "requests": COUNT,
    "requests_per_second": {"type": "number", "minimum": 0},
    "status": STATUS,
    "error_ratio": {**RATIO, "description": "The part that was answered with 5xx"},
    "latency_p50_ms": MILLISECONDS,
    "latency_p95_ms": MILLISECONDS,
    "latency_p99_ms": MILLISECONDS,
    "bytes_in": COUNT,
    "bytes_out": COUNT,
}
SUM: Final[Schema] = {"type": "object", "properties": _SUMMED}
POINTS: Final[Schema] = {
    "type": "object",
    "description": "One item per step",
    "properties": {
        "requests": {"type": "array", "items": COUNT},
        "status": {
            "type": "object",
            "properties": {name: {"type": "array", "items": COUNT} for name in figures.CLASSES},
        },
        **{f"latency_p{part}_ms": {"type": "array", "items": MILLISECONDS} for part in (50, 95, 99)},
        "bytes_in": {"type": "array", "items": COUNT},
        "bytes_out": {"type": "array", "items": COUNT},
    },
}
SERIES: Final[Schema] = {
    "type": "object",
    "properties": {
        "gateway_group_id": TEXT,
        "service_id": {"type": "string", "description": "Empty for what no route has served"},
        "id": {"type": "string", "description": "Of what it is about; `*`: all others together; empty: none"},
        "name": {"type": "string", "description": "What it is called now; its id when it is gone"},
        "sum": SUM,
        "points": POINTS,
    },
}
TRAFFIC: Final[Schema] = {
    "type": "object",
    "required": ["from", "to", "step", "at", "total", "series"],
    "properties": {
        "from": TIME,
        "to": TIME,
        "step": {"type": "integer", "description": "Seconds"},
        "at": {"type": "array", "items": TIME, "description": "When each step begins"},
        "total": SERIES,
        "series": {"type": "array", "items": SERIES, "description": "Those with most requests first, `*` last"},
    },
}
GROUP_NOW: Final[Schema] = {
    "type": "object",
    "properties": {"gateway_group_id": TEXT, "name": TEXT, "window_seconds": COUNT, **_SUMMED},
}
ENTRY: Final[Schema] = {
    "type": "object",
    "properties": {
        "at": {"type": "number", "description": "Unix seconds, with fractions"},
        "instance_id": TEXT,
        "service_id": TEXT,
        "route_id": TEXT,
        "consumer": TEXT,
        "method": TEXT,
        "host": TEXT,
        "path": {"type": "string", "description": "As the upstream was asked for it, without the query"},
        "status": {**COUNT, "description": "0: the client left without an answer"},
        "latency_ms": {"type": "number", "minimum": 0},
        "bytes_in": COUNT,
        "bytes_out": COUNT,
        "upstream": {"type": "string", "description": "The address that answered; empty: the gateway itself did"},
        "details": {"type": "string", "description": "Why it was answered so, in Envoy's words"},
    },
}
SPAN: Final = (
    openapi.parameter("from", TIME, "Begin of the range, in Unix seconds; an hour before its end by default"),
    openapi.parameter("to", TIME, "End of the range; now by default"),
)
FILTERS: Final = (
    openapi.parameter("gateway_group_id", TEXT, "Only this gateway group"),
    openapi.parameter("service_id", TEXT, "Only this service"),
    openapi.parameter("route_id", TEXT, "Only this route"),
    openapi.parameter("consumer", TEXT, "Only this consumer"),
    openapi.parameter("instance_id", TEXT, "Only this gateway instance"),
)
TRAFFIC_QUERY: Final = (
    *FILTERS,
    *SPAN,
    openapi.parameter("by", {"enum": list(BY)}, "A series for each of these; `none` by default"),
    openapi.parameter("step", COUNT, "Seconds of a step: a multiple of 15, or of 60 for what is older than 2 h"),
    openapi.parameter("top", {"type": "integer", "minimum": 1, "maximum": 50}, "Series; 10 by default"),
)
ENTRIES_QUERY: Final = (
    *FILTERS,
    *SPAN,
    openapi.parameter("status", {"type": "string", "pattern": "^[1-5](xx|[0-9]{2})$"}, "As `503` or `5xx`"),
    openapi.parameter("page", {"type": "integer", "minimum": 1}),
    openapi.parameter("page_size", {"type": "integer", "minimum": 1, "maximum": MOST_ENTRIES}, "50 by default"),
)
