"""What routes ask of requests is asked from before they are live until they are gone."""

from pathlib import Path

import msgspec

from gatefleet.native.questions import compared, header_of, value_of
from gatefleet.node.tables import NativeTables
from gatefleet.snapshot import HOST, HostLayout, Snapshot, entry

OLD, NEW = value_of("arg_old"), compared("arg_new", ">", 3)


def held(*questions: bytes) -> Snapshot:
    return Snapshot({HOST: {"a.test": entry(msgspec.msgpack.encode(HostLayout(questions=questions)))}})


def asked(directory: Path) -> set[bytes]:
    (table,) = directory.glob("hosts.*.tbl")
    return {question for question in (OLD, NEW) if question in table.read_bytes()}


def test_while_routes_change_both_the_old_and_the_new_ones_are_answered(tmp_path: Path) -> None:
    tables = NativeTables(tmp_path)
    tables.after(held(OLD))
    assert asked(tmp_path) == {OLD}
    tables.widen(held(NEW))
    assert asked(tmp_path) == {OLD, NEW}
    tables.after(held(NEW))
    assert asked(tmp_path) == {NEW}
    tables.close()


def test_each_question_has_a_header_of_its_own_that_clients_cannot_send() -> None:
    questions = [value_of("arg_a"), value_of("arg_b"), compared("arg_a", ">", 1), compared("arg_a", ">", 2)]
    headers = [header_of(question) for question in questions]
    assert len(set(headers)) == len(headers)
    assert all(header.startswith("x-gf-") for header in headers)
