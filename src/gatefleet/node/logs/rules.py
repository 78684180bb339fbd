"""Rules that a logger has about its entries: which are written at all, and which with bodies."""

from typing import Any, Final

import msgspec

from gatefleet import judging

Json = dict[str, Any]
_BODIES: Final = {"request_body": "request", "response_body": "response"}


class Judged(msgspec.Struct):
    """An entry with what its rules ask for."""

    vars: dict[str, str]
    entry: Json


def judged(rules: Json, entry: bytes) -> bytes | None:
    """The entry as it is to be sent; None when it is not. Raises msgspec.DecodeError for what is no such entry."""
    found = msgspec.json.decode(entry, type=Judged)
    if "match" in rules and not judging.holds(rules["match"], found.vars):
        return None
    for rule, part in _BODIES.items():
        if rule in rules and not judging.holds(rules[rule], found.vars):
            found.entry.get(part, {}).pop("body", None)
    return msgspec.json.encode(found.entry)
