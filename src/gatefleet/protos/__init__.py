"""Envoy's protobuf messages, from the descriptors inside the very Envoy binary we ship.

One sub-package per protobuf package, written by `tools/protos.py` when Gatefleet is installed:
`from gatefleet.protos.envoy.config.route import v3 as route`, then `route.RouteAction(cluster="c")`.
They live in a descriptor pool of their own, so no other library's copy of the same files can get in the way.
"""

from importlib import resources
from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gatefleet.protos.google import protobuf as wkt

TYPE_URL_PREFIX: Final = "type.googleapis.com/"
_M = TypeVar("_M", bound="Message")


def _read() -> tuple[DescriptorPool, dict[str, list[str]]]:
    files = descriptor_pb2.FileDescriptorSet()
    files.ParseFromString((resources.files(__name__) / "descriptors.binpb").read_bytes())
    pool = DescriptorPool()
    names: dict[str, list[str]] = {}
    for file in files.file:
        pool.Add(file)
        names.setdefault(file.package, []).extend(m.name for m in file.message_type)
    return pool, names


POOL, _NAMES = _read()


def classes(package: str) -> dict[str, type["Message"]]:
    """The message classes of one protobuf package, by their short names."""
    return {
        name: message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"{package}.{name}"))
        for name in _NAMES[package]
    }


def type_url(message: "type[Message] | Message") -> str:
    """The type URL of a message or message class, as xDS and `Any` write it."""
    return TYPE_URL_PREFIX + message.DESCRIPTOR.full_name


def pack(message: "Message") -> "wkt.Any":
    """`message` in an `Any`, serialized deterministically: equal messages give equal bytes."""
    from gatefleet.protos.google import protobuf as wkt  # noqa: PLC0415  (the generated packages import this module)

    return wkt.Any(type_url=type_url(message), value=message.SerializeToString(deterministic=True))


def unpack(packed: "wkt.Any", kind: type[_M]) -> _M:
    """The `kind` message inside `packed`; ValueError when it holds another type."""
    if packed.type_url != type_url(kind):
        raise ValueError(f"expected {type_url(kind)}, found {packed.type_url}")
    message = kind()
    message.ParseFromString(packed.value)
    return message
