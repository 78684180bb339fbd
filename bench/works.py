"""What a bare Envoy pays for the work that some plugins have done: asking, copying, compressing, speaking gRPC."""

import base64
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from bench import peers
from bench.load import Asked, Peer
from bench.peers import TYPE, Json
from bench.shape import HEADERS, HOST, path
from gatefleet.protobuf import definitions

PROTO: Final = (
    'syntax = "proto3"; package bench; service Echo { rpc Say (Word) returns (Word) {} } '
    "message Word { string name = 1; int32 age = 2; bool on = 3; }"
)
MESSAGE: Final = b"\x0a\x05bench\x10\x07\x18\x01"
"""A `Word` as protobuf writes it."""
FRAME: Final = bytes([0, *len(MESSAGE).to_bytes(4)]) + MESSAGE
"""The same as gRPC sends it, and gRPC-Web."""
PLAIN: Final = Asked(path(0), {})
IN_JSON: Final = Asked(path(0), {"Content-Type": "application/json"}, "POST", b'{"name":"bench","age":7,"on":true}')
"""It as JSON, sent to a route."""
IN_GRPC_WEB: Final = Asked(path(0), {"Content-Type": "application/grpc-web+proto"}, "POST", FRAME)
TOLD: Final = Asked(path(0), {"Content-Type": "application/json"}, "POST", b" " * 512)
"""About as much as a policy is told."""


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """One kind of work: what is asked of a host that has it done, and of one that has not."""

    name: str
    asked: Asked = PLAIN
    filter: str = ""
    """The type of Envoy's filter that does it."""
    config: Json = field(default_factory=dict[str, object])
    action: Json = field(default_factory=dict[str, object])
    """What the route's action has for it."""
    grpc: bool = False
    """Whether the upstream is the one that speaks gRPC."""

    @property
    def hosts(self) -> tuple[str, str]:
        """Without it and with it."""
        label = self.name.replace(" ", "-").lower()
        return f"without-{label}.{HOST}", f"with-{label}.{HOST}"

    @property
    def sent(self) -> Asked:
        """What is asked, with the headers that are always sent."""
        return Asked(self.asked.path, {**HEADERS, **self.asked.headers}, self.asked.method, self.asked.body)


def _authorized(**more: object) -> Json:
    return {"http_service": {"server_uri": {"uri": "127.0.0.1", "cluster": "backend", "timeout": "3s"}}, **more}


def _compressing(kind: str, config: Json) -> Json:
    library = {"@type": f"{TYPE}extensions.compression.{kind}", **config}
    return {"compressor_library": {"name": "library", "typed_config": library}}


def _accepting(encoding: str) -> Asked:
    return Asked(path(0), {"Accept-Encoding": encoding})


def _transcoding() -> Json:
    file = FileDescriptorProto()
    definitions(PROTO).method("bench.Echo", "Say").containing_service.file.CopyToProto(file)
    described = FileDescriptorSet(file=[file]).SerializeToString()
    return {
        "proto_descriptor_bin": base64.b64encode(described).decode(),
        "services": ["bench.Echo"],
        "auto_mapping": True,
    }


_COMPRESSOR: Final = "compressor.v3.Compressor"
_AUTHORIZE: Final = "ext_authz.v3.ExtAuthz"
_GZIP: Final = {"compression_level": "COMPRESSION_LEVEL_1", "window_bits": 15, "memory_level": 8}
_BROTLI: Final = {"quality": 6, "window_bits": 19}
QUESTION: Final = Work("a question", filter=_AUTHORIZE, config=_authorized())
REPORT: Final = Work(
    "a question that tells much",
    TOLD,
    _AUTHORIZE,
    _authorized(with_request_body={"max_request_bytes": 4096}),
)
COPY: Final = Work("a copy", action={"request_mirror_policies": [{"cluster": "backend"}]})
GZIP: Final = Work("gzip", _accepting("gzip"), _COMPRESSOR, _compressing("gzip.compressor.v3.Gzip", _GZIP))
BROTLI: Final = Work("brotli", _accepting("br"), _COMPRESSOR, _compressing("brotli.compressor.v3.Brotli", _BROTLI))
GRPC_WEB: Final = Work("gRPC-Web", IN_GRPC_WEB, "grpc_web.v3.GrpcWeb", grpc=True)
TRANSCODING: Final = Work(
    "JSON to gRPC",
    Asked("/bench.Echo/Say", IN_JSON.headers, IN_JSON.method, IN_JSON.body),
    "grpc_json_transcoder.v3.GrpcJsonTranscoder",
    _transcoding(),
    grpc=True,
)
WORKS: Final = (QUESTION, REPORT, COPY, GZIP, BROTLI, GRPC_WEB, TRANSCODING)


@contextmanager
def running(home: Path, backend: int, grpc: int) -> Generator[Peer]:
    """A bare Envoy with two hosts for each work, without and with it."""
    with peers.bare(home / "works.json", backend, hosts(), filters(), grpc) as peer:
        yield peer


def hosts() -> list[Json]:
    """The virtual hosts; they switch on the filters they need."""
    return [_virtual_host(work, host, done=done) for work in WORKS for done, host in enumerate(work.hosts)]


def filters() -> list[Json]:
    """Filters that are off wherever they are not switched on."""
    return [_filter(work) for work in WORKS if work.filter]


def _virtual_host(work: Work, host: str, *, done: int) -> Json:
    on: Json = {work.name: {"@type": TYPE + "config.route.v3.FilterConfig", "config": {}}}
    action = {"cluster": "grpc" if work.grpc else "backend", **(work.action if done else {})}
    return {
        "name": host,
        "domains": [host],
        "routes": [{"match": {"prefix": "/"}, "route": action}],
        "typed_per_filter_config": on if done and work.filter else {},
    }


def _filter(work: Work) -> Json:
    typed = {"@type": f"{TYPE}extensions.filters.http.{work.filter}", **work.config}
    return {"name": work.name, "disabled": True, "typed_config": typed}
