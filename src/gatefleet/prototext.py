"""The language of .proto files, read into protobuf's own descriptors."""

from collections.abc import Collection
from typing import Any, Final, NoReturn, cast

from antlr4.error.ErrorListener import ErrorListener
from google.protobuf import descriptor_pb2
from proto_schema_parser import ast
from proto_schema_parser.parser import Parser

from gatefleet.errors import Invalid

TEXT_MAX: Final = 64 * 1024
"""Bytes of .proto text: parsing takes about 25 µs for each. Descriptor sets may be as large as documents may."""
INCLUDED: Final = "give a descriptor set in base64 that includes it (protoc --include_imports)"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {
    name.removeprefix("TYPE_").lower(): number
    for name, number in _Field.Type.items()
    if name not in {"TYPE_MESSAGE", "TYPE_ENUM", "TYPE_GROUP"}
}


def described(content: str, importable: Collection[str]) -> descriptor_pb2.FileDescriptorProto:
    """The file that .proto text describes, names not resolved yet; raises Invalid with the place of a mistake.

    `importable` are the files it may import.
    """
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
                made.dependency.append(_importable(name, importable))
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


def _importable(name: str, importable: Collection[str]) -> str:
    if name not in importable:
        raise Invalid(f"imports [{name}]: {INCLUDED}")
    return name


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
