"""What a bare Envoy pays for the work that some plugins have done: asking, copying, compressing."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench import peers
from bench.peers import TYPE, Json, Peer
from bench.shape import HOST, path

QUESTION: Final = "a question"
COPY: Final = "a copy"
GZIP: Final = "gzip"
BROTLI: Final = "brotli"
WORKS: Final = (QUESTION, COPY, GZIP, BROTLI)
HEADERS: Final = {GZIP: {"Accept-Encoding": "gzip"}, BROTLI: {"Accept-Encoding": "br"}}
"""Headers of requests that have the work done."""


def host(work: str) -> str:
    """Where the work is done; without any for no work."""
    return f"{work.replace(' ', '-') or 'bare'}.{HOST}"


@contextmanager
def running(home: Path, backend: int) -> Generator[Peer]:
    """A bare Envoy with one host for each work, and one without any."""
    with peers.bare(home / "works.json", backend, hosts(), filters(backend)) as peer:
        yield peer


def hosts() -> list[Json]:
    """Virtual hosts, one for each work; they switch on the filters they need."""
    return [_virtual_host(work) for work in ("", *WORKS)]


def _virtual_host(work: str) -> Json:
    to: Json = {"cluster": "backend"}
    if work == COPY:
        to["request_mirror_policies"] = [{"cluster": "backend"}]
    on: Json = {"@type": TYPE + "config.route.v3.FilterConfig", "config": {}}
    return {
        "name": work or "bare",
        "domains": [host(work)],
        "routes": [{"match": {"path": path(0)}, "route": to}],
        "typed_per_filter_config": {work: on} if work in (QUESTION, GZIP, BROTLI) else {},
    }


def filters(backend: int) -> list[Json]:
    """Filters that are off wherever they are not switched on; questions go to port `backend`."""
    asked = {"uri": f"127.0.0.1:{backend}", "cluster": "backend", "timeout": "3s"}
    gzip = {"compression_level": "COMPRESSION_LEVEL_1", "window_bits": 15, "memory_level": 8}
    brotli = {"quality": 6, "window_bits": 19}
    return [
        _filter(QUESTION, "ext_authz.v3.ExtAuthz", {"http_service": {"server_uri": asked}}),
        _filter(GZIP, "compressor.v3.Compressor", _compressing("gzip.compressor.v3.Gzip", gzip)),
        _filter(BROTLI, "compressor.v3.Compressor", _compressing("brotli.compressor.v3.Brotli", brotli)),
    ]


def _filter(name: str, kind: str, config: Json) -> Json:
    return {
        "name": name,
        "disabled": True,
        "typed_config": {"@type": f"{TYPE}extensions.filters.http.{kind}", **config},
    }


def _compressing(kind: str, config: Json) -> Json:
    library = {"@type": f"{TYPE}extensions.compression.{kind}", **config}
    return {"compressor_library": {"name": "library", "typed_config": library}}
