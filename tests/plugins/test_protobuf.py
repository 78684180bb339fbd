"""Our Lua's protobuf against Google's: what either writes, the other reads as the same."""

import json
from base64 import b64encode
from typing import Any

import pytest
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from hypothesis import given, settings
from hypothesis import strategies as st
from luajit import library

from gatefleet.errors import Invalid
from gatefleet.protobuf import definitions, tables

TEXT = """
syntax = "proto3";
package demo;
import "google/protobuf/timestamp.proto";
service Echo { rpc Say (Word) returns (Word); rpc Flow (stream Word) returns (Word); }
enum Color { RED = 0; BLUE = 1; FAR = -7; }
message Word {
  string name = 1; bytes raw = 2; bool on = 3; Color color = 4; optional int32 maybe = 5;
  int32 i32 = 11; uint32 u32 = 12; sint32 s32 = 13; fixed32 f32 = 14; sfixed32 sf32 = 15;
  int64 i64 = 16; uint64 u64 = 17; sint64 s64 = 18; fixed64 f64 = 19; sfixed64 sf64 = 20;
  double wide = 22; repeated int64 many = 23; repeated string words = 24; repeated Color colors = 25;
  map<string, int32> counts = 26; map<int32, Word> words_by = 27; Inner inner = 28; google.protobuf.Timestamp at = 29;
  oneof choice { string left = 30; int64 right = 31; }
  message Inner { repeated Word more = 1; string text = 2; }
}
"""
WORD = definitions(TEXT).message("demo.Word")
CLASS = message_factory.GetMessageClass(WORD)
JSON = """function(tables, told, conf, text)
  local schema, conf = json_read(tables), json_read(conf)
  if told then return (pb_tried(pb_encode, schema, "demo.Word", json_read(told))) end
  local made, why = pb_tried(pb_decode, schema, conf, "demo.Word", text)
  return made and json_text(made), why
end"""
CODEC = library("json", "native", "protobuf", answer=JSON)
TABLES = json.dumps(dict(zip(("messages", "enums"), tables(WORD), strict=True))).encode()
EXACT = 2**53


def whole(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    low = -(2 ** (bits - 1)) if signed else 0
    high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    return st.integers(max(low, -EXACT), min(high, EXACT))


def words(depth: int) -> st.SearchStrategy[dict[str, Any]]:
    plain: dict[str, st.SearchStrategy[Any]] = {
        "name": st.text(max_size=5),
        "on": st.booleans(),
        "color": st.sampled_from(["RED", "BLUE", "FAR"]),
        "maybe": whole(32, signed=True),
        "wide": st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0),  # JSON has one zero
        "many": st.lists(whole(64, signed=True), max_size=3),
        "words": st.lists(st.text(max_size=3), max_size=3),
        "colors": st.lists(st.sampled_from(["RED", "FAR"]), max_size=3),
        "counts": st.dictionaries(st.text(max_size=3), whole(32, signed=True), max_size=3),
        "right": whole(64, signed=True),
    }
    plain |= {f"{kind}32": whole(32, signed=kind not in "uf") for kind in ("i", "u", "s", "f", "sf")}
    plain |= {f"{kind}64": whole(64, signed=kind not in "uf") for kind in ("i", "u", "s", "f", "sf")}
    if depth:
        deeper = words(depth - 1)
        plain["inner"] = st.fixed_dictionaries({}, optional={"more": st.lists(deeper, max_size=2), "text": st.text()})
        plain["words_by"] = st.dictionaries(whole(32, signed=True).map(str), deeper, max_size=2)
    return st.fixed_dictionaries({}, optional=plain)


@settings(max_examples=60, deadline=None)
@given(words(1))
def test_what_one_writes_the_other_reads(told: dict[str, Any]) -> None:
    ours = CLASS.FromString(CODEC(TABLES, json.dumps(told).encode(), b"{}", None))
    theirs = json_format.ParseDict(told, CLASS())
    assert ours == theirs
    read, _ = CODEC(TABLES, None, b'{"int64": "number", "defaults": "no"}', theirs.SerializeToString())
    again = json.loads(read)
    assert json_format.ParseDict(again, CLASS()) == theirs


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40))
def test_bytes_of_anybody_are_read_or_refused_with_a_reason(noise: bytes) -> None:
    read, why = CODEC(TABLES, None, b'{"int64": "string", "defaults": "auto"}', noise)
    assert (read is None) != (why is None)


def test_the_widest_numbers_arrive() -> None:
    told = {"u64": str(2**64 - 1), "i64": str(-(2**63)), "s64": str(-(2**63)), "f64": "#0xff", "right": "#-12"}
    ours = CLASS.FromString(CODEC(TABLES, json.dumps(told).encode(), b"{}", None))
    wanted = {"u64": str(2**64 - 1), "i64": str(-(2**63)), "s64": str(-(2**63)), "f64": "255", "right": "-12"}
    assert json_format.MessageToDict(ours) == wanted
    read, _ = CODEC(TABLES, None, b'{"int64": "string", "defaults": "no"}', ours.SerializeToString())
    assert json.loads(read)["u64"] == f"#{2**64 - 1}"
    assert json.loads(read)["i64"] == f"#-{2**63}"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("hello", "line 1:1"),
        ('syntax = "proto3"; import "other.proto";', r"imports \[other.proto\]"),
        ('syntax = "proto3"; message A { Nope n = 1; }', "Nope"),
        ('syntax = "proto3"; message A { string a = 1; string b = 1; }', "complete"),
        ('syntax = "proto3"; message A { string a = ; }', "line 1:"),
        ("x" * 70_000, "descriptor set"),
    ],
)
def test_what_is_no_definition_is_refused_with_the_reason(content: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        definitions(content)


def test_text_and_descriptor_set_are_the_same() -> None:
    described = FileDescriptorProto()
    WORD.file.CopyToProto(described)
    encoded = b64encode(FileDescriptorSet(file=[described]).SerializeToString()).decode()
    assert tables(definitions(encoded).message("demo.Word")) == tables(WORD)
    with pytest.raises(LookupError, match="no method"):
        definitions(encoded).method("demo.Echo", "Nope")
