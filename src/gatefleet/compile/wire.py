"""Joining serialized protobuf: a message whose parts are already bytes is put together without parsing them again.

Source of the format: protobuf's encoding specification (length-delimited fields; repeated and map fields concatenate).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.message import Message


def number(message: "type[Message]", field: str) -> int:
    """The field's number in the descriptor of the Envoy binary we ship."""
    return message.DESCRIPTOR.fields_by_name[field].number


def embed(field: int, *parts: bytes) -> bytes:
    """`parts` joined, as one length-delimited field with number `field`."""
    body = b"".join(parts)
    return _varint(field << 3 | 2) + _varint(len(body)) + body


def dump(message: "Message") -> bytes:
    """Deterministic bytes: equal messages give equal bytes."""
    return message.SerializeToString(deterministic=True)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
