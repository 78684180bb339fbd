"""Protobuf definitions as users give them, .proto text or a descriptor set in base64, and the messages they define.

Text is parsed and then judged by protobuf's own descriptor pool, so what is accepted here protoc accepts too.
"""

import base64
import binascii
from functools import lru_cache
from typing import Any, Final

from google.protobuf import (
    any_pb2,
    api_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    source_context_pb2,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import DecodeError

from gatefleet.errors import Invalid

WELL_KNOWN: Final = (
    source_context_pb2,
    any_pb2,
    type_pb2,
    api_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
"""Files that text may import, in an order in which none comes before what it imports."""
IMPORTABLE: Final = frozenset(module.DESCRIPTOR.name for module in WELL_KNOWN)
_Field = descriptor_pb2.FieldDescriptorProto
_KINDS: Final[dict[int, str]] = {
    number: name.removeprefix("TYPE_").lower() for name, number in _Field.Type.items() if name != "TYPE_GROUP"
}
Json = dict[str, Any]


class Definitions:
    """The services, messages and enumerations of one protobuf definition."""

    def __init__(self, pool: descriptor_pool.DescriptorPool) -> None:
        self._pool = pool

    def method(self, service: str, method: str) -> MethodDescriptor:
        """A service's method; raises LookupError, saying what is missing."""
        try:
            found = self._pool.FindServiceByName(service)
        except KeyError:
            raise LookupError(f"service [{service}] is not defined") from None
        if method not in found.methods_by_name:
            raise LookupError(f"service [{service}] has no method [{method}]")
        return found.methods_by_name[method]

    def message(self, name: str) -> Descriptor:
        """A message by its full name; raises LookupError where it is not defined."""
        try:
            return self._pool.FindMessageTypeByName(name.removeprefix("."))
        except KeyError:
            raise LookupError(f"message [{name}] is not defined") from None


@lru_cache(maxsize=256)
def definitions(content: str) -> Definitions:
    """What .proto text or a descriptor set in base64 defines; raises Invalid, with the reason, for anything else."""
    described = _descriptor_set(content)
    pool = descriptor_pool.DescriptorPool()
    given = {file.name for file in described.file}
    try:
        for module in WELL_KNOWN:
            if module.DESCRIPTOR.name not in given:
                pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        for file in described.file:
            pool.AddSerializedFile(file.SerializeToString())
            pool.FindFileByName(file.name)
    except (TypeError, KeyError) as error:
        raise Invalid(f"is not a complete protobuf definition: {_reason(error)}") from None
    return Definitions(pool)


def tables(*roots: Descriptor) -> tuple[Json, Json]:
    """Messages and enumerations that `roots` reach, by full name, as `lua/protobuf.lua` reads them."""
    messages: Json = {}
    enums: Json = {}
    waiting = list(roots)
    while waiting:
        message = waiting.pop()
        if message.full_name in messages:
            continue
        implied = _implies_defaults(message)
        messages[message.full_name] = [_field(field, implied=implied) for field in message.fields]
        for field in message.fields:
            if field.message_type:
                waiting.append(field.message_type)
            elif field.enum_type:
                enums[field.enum_type.full_name] = _values(field.enum_type)
    return messages, enums


def _field(field: FieldDescriptor, *, implied: bool) -> Json:
    """`of` is the message or enumeration; `list` and `map` are repeated ones; `default`: unsent it has its default."""
    if field.type not in _KINDS:
        raise Invalid(f"field [{field.full_name}] is a group, which cannot be carried")
    named = field.message_type or field.enum_type
    is_map = bool(field.message_type and field.message_type.GetOptions().map_entry)
    told: Json = {"name": field.name, "number": field.number, "kind": _KINDS[field.type]}
    return (
        told
        | ({"of": named.full_name} if named else {})
        | ({"map": True} if is_map else {"list": True} if field.is_repeated else {})
        | ({"default": True} if implied and not field.has_presence else {})
        | ({"oneof": field.containing_oneof.name} if field.containing_oneof else {})
    )


def _implies_defaults(message: Descriptor) -> bool:
    """Whether what was not sent is the default, as since version 3 of the language."""
    described = descriptor_pb2.FileDescriptorProto()
    message.file.CopyToProto(described)
    return described.syntax not in {"", "proto2"}


def _values(enum: EnumDescriptor) -> list[Json]:
    return [{"name": value.name, "number": value.number} for value in enum.values]


def _descriptor_set(content: str) -> descriptor_pb2.FileDescriptorSet:
    try:
        raw = base64.b64decode("".join(content.split()), validate=True)
        return descriptor_pb2.FileDescriptorSet.FromString(raw)
    except (binascii.Error, ValueError, DecodeError):
        from gatefleet import prototext  # noqa: PLC0415 - its parser takes long to load, and few groups have text

        return descriptor_pb2.FileDescriptorSet(file=[prototext.described(content, IMPORTABLE)])


def _reason(error: Exception) -> str:
    return str(error.args[0] if error.args else error).replace("\n", " ")[:300]
