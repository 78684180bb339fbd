"""Expected output as files: `golden(path, text)` compares, and writes with `pytest --golden`."""

import json
import re
import struct
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from gatefleet.protos import POOL

ROOT = Path(__file__).parent / "golden"
Golden = Callable[[Path, str], None]


def cases(kind: str) -> list[Path]:
    """Every `<name>.in.yaml` below `tests/golden/<kind>/`."""
    return sorted((ROOT / kind).rglob("*.in.yaml"))


def case_id(path: Path) -> str:
    return f"{path.parent.name}/{path.name.removesuffix('.in.yaml')}"


def beside(case: Path, ending: str) -> Path:
    """The file of a case with another ending, as `.out.yaml`."""
    return case.with_name(case.name.removesuffix(".in.yaml") + ending)


def read(path: Path) -> Any:
    """What a YAML file holds; the parser in C is ten times as fast."""
    return yaml.load(path.read_text(), Loader=yaml.CSafeLoader)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with what a file holds; with `--golden` writes the file instead."""
    writing = bool(request.config.getoption("--golden", default=False))

    def check(path: Path, text: str) -> None:
        if writing:
            path.write_text(text)
        assert path.exists(), f"{path} is missing: run `make golden` and look at what it wrote"
        assert path.read_text() == text, f"{path} differs: if the change is meant, run `make golden`"

    return check


def dump(value: Any) -> str:
    """YAML with sorted keys: protobuf maps come in no order."""
    return yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=True, allow_unicode=True, width=110)


def plain(message: Message) -> Any:
    """A message as plain data, whatever it packs unpacked, and what only hashes other things left out."""
    return _readable(MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=POOL))


def _readable(value: Any) -> Any:
    match value:
        case {"filter_name": str(), "filter_config": {"value": str(config)}}:
            return {**value, "filter_config": [f"{k}: {v}" for k, v in _fields(b64decode(config))]}
        case {"default_source_code": {"filename": str(name)}, "filter_context": {"conf": str(conf)}}:
            script = re.sub(r"-[0-9a-f]{12}\.lua$", "-*.lua", name)
            return {**value, "default_source_code": {"filename": script}, "filter_context": {"conf": json.loads(conf)}}
        case dict():
            return {key: _readable(item) for key, item in value.items()}
        case list():
            return [_readable(item) for item in value]
        case _:
            return value


def _fields(config: bytes) -> Iterator[tuple[str, str]]:
    texts: list[str] = []
    at = 0
    while at < len(config):
        (size,) = struct.unpack_from("<I", config, at)
        texts.append(config[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return zip(texts[::2], texts[1::2], strict=True)
