"""Configuration of the module's filter `proxy-cache` as bytes."""

from collections.abc import Iterable, Iterator
from typing import Literal

from gatefleet.native.config import Field, encode_config


def proxy_cache_config(  # noqa: PLR0913 - one argument per field of the plugin
    *,
    zone: Literal["memory", "disk"],
    key: Iterable[str],
    bypass: Iterable[str],
    never: Iterable[str],
    methods: Iterable[str],
    statuses: Iterable[int],
    ttl: int,
    hide_headers: bool,
    obey_cache_control: bool,
    isolate_consumers: bool,
    keep_cookies: bool,
) -> bytes:
    """Values of `key`, `bypass` and `never` are `=literal` or `$variable`, the variables of `native.config`.

    Answers are found by the values of `key`; where one of `bypass` is neither empty nor 0 the upstream is asked, and
    where one of `never` is, its answer is not kept. `ttl` is seconds: of all answers in memory, on disk of those that
    say nothing about it themselves.
    """
    fields: list[Field] = [("zone", zone.encode())]
    for name, values in (("key", key), ("bypass", bypass), ("never", never), ("method", methods)):
        fields += [(name, value.encode()) for value in values]
    fields += [("status", str(status).encode()) for status in statuses]
    fields.append(("ttl", str(ttl).encode()))
    flags = (
        ("hide", hide_headers),
        ("obey", obey_cache_control),
        ("isolate", isolate_consumers),
        ("cookies", keep_cookies),
    )
    return encode_config((*fields, *_flags(flags)))


def _flags(flags: Iterable[tuple[str, bool]]) -> Iterator[Field]:
    for name, value in flags:
        yield name, b"1" if value else b"0"
