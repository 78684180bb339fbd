"""Protobuf definitions as users give them, .proto text or a descriptor set in base64, and the messages they define.

Text is parsed and then judged by protobuf's own descriptor pool, so what is accepted here protoc accepts too.
"""

import base64
import binascii
from functools import lru_cache
from typing import Any, Final, NoReturn, cast

from antlr4.error.ErrorListener import ErrorListener
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
from proto_schema_parser import ast
from proto_schema_parser.parser import Parser

from gatefleet.errors import Invalid

TEXT_MAX: Final = 64 * 1024
"""Bytes of .proto text: parsing takes about 25 µs for each. Descriptor sets may be as large as documents may."""
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
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {
    name.removeprefix("TYPE_").lower(): number
    for name, number in _Field.Type.items()
    if name not in {"TYPE_MESSAGE", "TYPE_ENUM", "TYPE_GROUP"}
}
_KINDS: Final[dict[int, str]] = {number: name for name, number in _SCALARS.items()} | {
    _Field.TYPE_MESSAGE: "message",
    _Field.TYPE_ENUM: "enum",
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
        return descriptor_pb2.FileDescriptorSet(file=[_text(content)])


class _Strict(ErrorListener):
    """The first mistake ends the reading; the parser by itself would go on with what it made out."""

    def syntaxError(  # noqa: N802 - the parser's interface
        self,
        recognizer: Any,
        offendingSymbol: Any,  # noqa: N803
        line: int,
        column: int,
        msg: str,
        e: Any,
    ) -> NoReturn:
        del recognizer, offendingSymbol, e
        raise Invalid(f"is neither .proto text nor a descriptor set in base64: line {line}:{column + 1} {msg[:200]}")


def _listening(recognizer: Any) -> None:
    recognizer.removeErrorListeners()
    recognizer.addErrorListener(_Strict())


def _text(content: str) -> descriptor_pb2.FileDescriptorProto:
    if len(content.encode()) > TEXT_MAX:
        raise Invalid(f"is longer than {TEXT_MAX} bytes; give it as a descriptor set in base64 (protoc -o)")
    file = Parser(setup_lexer=_listening, setup_parser=_listening).parse(content)
    made = descriptor_pb2.FileDescriptorProto(name="given.proto", syntax=file.syntax or "proto2")
    if file.edition:
        raise Invalid("is of an edition; give it as a descriptor set in base64 (protoc -o)")
    for element in file.file_elements:
        match element:
            case ast.Package(name=name):
                made.package = name
            case ast.Import(name=name):
                made.dependency.append(_importable(name))
            case ast.Message():
                made.message_type.append(_message(element, proto3=made.syntax == "proto3"))
            case ast.Enum():
                made.enum_type.append(_enum(element))
            case ast.Service():
                made.service.append(_service(element))
            case ast.Extension():
                raise Invalid("has extensions; give it as a descriptor set in base64 (protoc -o)")
            case _:
                pass
    return made


def _importable(name: str) -> str:
    if name not in {module.DESCRIPTOR.name for module in WELL_KNOWN}:
        raise Invalid(f"imports [{name}]: give a descriptor set in base64 that includes it (protoc --include_imports)")
    return name


def _message(message: ast.Message, *, proto3: bool) -> descriptor_pb2.DescriptorProto:
    made = descriptor_pb2.DescriptorProto(name=message.name)
    for element in message.elements:
        match element:
            case ast.Field():
                made.field.append(_plain(element, proto3=proto3))
            case ast.MapField():
                made.nested_type.append(_entry(element))
                made.field.append(_of_type(element.name, element.number, made.nested_type[-1].name))
                made.field[-1].label = _Field.LABEL_REPEATED
            case ast.OneOf():
                _choose(made, element)
            case ast.Message():
                made.nested_type.append(_message(element, proto3=proto3))
            case ast.Enum():
                made.enum_type.append(_enum(element))
            case ast.Group() | ast.Extension():
                raise Invalid(f"has groups or extensions in [{message.name}], which cannot be carried")
            case _:
                pass
    for field in made.field:  # an optional field of proto3 is a choice of its own, behind the written ones
        if field.proto3_optional:
            made.oneof_decl.add(name=f"_{field.name}")
            field.oneof_index = len(made.oneof_decl) - 1
    return made


def _choose(made: descriptor_pb2.DescriptorProto, choice: ast.OneOf) -> None:
    made.oneof_decl.add(name=choice.name)
    for one in choice.elements:
        if isinstance(one, ast.Field):
            made.field.append(_plain(one, proto3=False))
            made.field[-1].oneof_index = len(made.oneof_decl) - 1


def _plain(field: ast.Field, *, proto3: bool) -> _Field:
    made = _of_type(field.name, field.number, field.type)
    made.label = {
        ast.FieldCardinality.REPEATED: _Field.LABEL_REPEATED,
        ast.FieldCardinality.REQUIRED: _Field.LABEL_REQUIRED,
    }.get(cast("ast.FieldCardinality", field.cardinality), _Field.LABEL_OPTIONAL)
    made.proto3_optional = proto3 and field.cardinality == ast.FieldCardinality.OPTIONAL
    return made


def _of_type(name: str, number: int, kind: str) -> _Field:
    """A field; of what is no scalar the pool finds out by itself whether it is a message or an enumeration."""
    made = _Field(name=name, number=number, label=_Field.LABEL_OPTIONAL)
    if kind in _SCALARS:
        made.type = _SCALARS[kind]
    else:
        made.type_name = kind
    return made


def _entry(field: ast.MapField) -> descriptor_pb2.DescriptorProto:
    """The message that a map is a list of, named as the language says."""
    name = "".join(part[:1].upper() + part[1:] for part in field.name.split("_")) + "Entry"
    made = descriptor_pb2.DescriptorProto(name=name, options=descriptor_pb2.MessageOptions(map_entry=True))
    made.field.append(_of_type("key", 1, field.key_type))
    made.field.append(_of_type("value", 2, field.value_type))
    return made


def _enum(enum: ast.Enum) -> descriptor_pb2.EnumDescriptorProto:
    made = descriptor_pb2.EnumDescriptorProto(name=enum.name)
    for element in enum.elements:
        if isinstance(element, ast.EnumValue):
            made.value.add(name=element.name, number=element.number)
        elif isinstance(element, ast.Option) and element.name == "allow_alias":
            made.options.allow_alias = str(element.value).lower() == "true"
    return made


def _service(service: ast.Service) -> descriptor_pb2.ServiceDescriptorProto:
    made = descriptor_pb2.ServiceDescriptorProto(name=service.name)
    for method in (element for element in service.elements if isinstance(element, ast.Method)):
        made.method.add(
            name=method.name,
            input_type=method.input_type.type,
            output_type=method.output_type.type,
            client_streaming=method.input_type.stream,
            server_streaming=method.output_type.stream,
        )
    return made


def _reason(error: Exception) -> str:
    return str(error.args[0] if error.args else error).replace("\n", " ")[:300]
