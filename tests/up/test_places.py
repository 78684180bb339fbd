"""What `gatefleet up` says when the machine is not as it needs it."""

import json
import os
import socket
from pathlib import Path

import pytest

from gatefleet import VERSION
from gatefleet.errors import Conflict, Invalid
from gatefleet.up.layout import ports
from gatefleet.up.places import Claimed, Port, check_ports, data_directory


def test_a_taken_port_is_named_with_who_needs_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Conflict, match=rf"port in use on 127.0.0.1: {port} \(gateway, http\); .*--port-offset"):
            check_ports("127.0.0.1", [Port(port, "gateway, http")])
    check_ports("127.0.0.1", [Port(port, "gateway, http")])


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(Invalid, match="choose another --bind"):
        check_ports("203.0.113.7", [Port(5, "x")])


def test_the_offset_moves_every_port() -> None:
    at, moved = (sorted(p.number for p in ports(offset).told()) for offset in (0, 100))
    assert at == [7080, 7081, 7085, 7443, 7900, 7943, 9080, 9091, 9443]
    assert moved == [number + 100 for number in at]


def test_two_do_not_share_a_directory(tmp_path: Path) -> None:
    with (
        data_directory(tmp_path),
        pytest.raises(Conflict, match=rf"\(process {os.getpid()}\) runs on .* choose --data-dir and --port-offset"),
        data_directory(tmp_path),
    ):
        pass
    with data_directory(tmp_path) as claimed:
        assert claimed == Claimed(tmp_path.resolve(), abandoned=False)


def test_a_directory_whose_owner_was_killed_is_known_by_it(tmp_path: Path) -> None:
    (tmp_path / "up.lock").write_text("12345\n")
    with data_directory(tmp_path) as claimed:
        assert claimed.abandoned


@pytest.mark.parametrize("newer", [{"format": 99, "version": VERSION}, {"format": 1, "version": "99.0.0"}])
def test_a_newer_directory_is_refused(tmp_path: Path, newer: dict[str, object]) -> None:
    (tmp_path / "gatefleet.json").write_text(json.dumps(newer))
    with pytest.raises(Invalid, match="or choose another --data-dir"), data_directory(tmp_path):
        pass
    assert json.loads((tmp_path / "gatefleet.json").read_text()) == newer


def test_a_damaged_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gatefleet.json").write_text("{")
    with pytest.raises(Invalid, match="is damaged"), data_directory(tmp_path):
        pass


def test_a_place_where_nothing_can_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Invalid, match="cannot write to the data directory"), data_directory(tmp_path / "file" / "data"):
        pass
