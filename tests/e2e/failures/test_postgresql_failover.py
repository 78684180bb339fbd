"""PostgreSQL's primary dies and its standby is promoted, as the user's own tools do it."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx
import postgres as pg
import pytest

from tests.e2e import kit
from tests.e2e.kit import eventually
from tests.e2e.roles import ControlPlane, Role, control_plane
from tests.e2e.runbooks import Machine, blocks

RESUMED = 10.0
"""Seconds from the promotion within which writes must work again."""


class Writer:
    """Makes one route after another and remembers which the Admin API has acknowledged, and when."""

    def __init__(self, plane: ControlPlane, admin: Role) -> None:
        self.acknowledged: dict[str, float] = {}
        self.refused: list[int] = []
        self._plane, self._admin = plane, admin
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            name = f"w{number}"
            body = {"name": name, "service_id": "steady", "paths": [f"/{name}"]}
            answer = self._plane.call(self._admin, "PUT", f"/apisix/admin/routes/{name}", body, timeout=60)
            if answer.status_code == 200:
                self.acknowledged[name] = time.monotonic()
            else:
                self.refused.append(answer.status_code)
                time.sleep(0.1)


@pytest.fixture
def directory() -> Iterator[Path]:
    with kit.workspace() as folder:
        yield folder


def test_after_a_promotion_writes_go_on_nothing_acknowledged_is_lost_and_nodes_serve_all_the_time(
    directory: Path, upstream: int
) -> None:
    ports = (kit.free_offset() + 5432, kit.free_offset() + 5433)
    with pg.pair(ports) as database, control_plane(database.dsn, directory / "plane") as plane:
        admin, dpm = plane.admin(), plane.dpm()
        nodes = [{"host": "127.0.0.1", "port": upstream, "weight": 1}]
        made = plane.call(
            admin, "PUT", "/apisix/admin/services/steady", {"name": "steady", "upstream": {"nodes": nodes}}
        )
        assert made.status_code == 200, made.text
        body = {"name": "steady", "service_id": "steady", "paths": ["/steady"]}
        assert plane.call(admin, "PUT", "/apisix/admin/routes/steady", body).status_code == 200
        token = plane.call(admin, "POST", "/api/gateway_groups/default/instance_token", {}).json()
        join = ["--dp-manager", dpm.url("dpm_tls"), "--token", token["value"]["token_plain_text"]]
        with kit.node(directory / "node", *join) as node:
            eventually(lambda: node.get("/steady").status == 200)
            port = kit.PORTS["http"] + node.offset
            with kit.load(port, "/steady", 4) as load, Writer(plane, admin) as writer:
                eventually(lambda: len(writer.acknowledged) >= 5)
                database.kill_primary()
                eventually(lambda: plane.client.get(admin.url("admin", "/readyz")).status_code == 503)
                assert plane.client.get(admin.url("admin", "/healthz")).status_code == 200
                promoted = time.monotonic()
                by_the_runbook(database, admin, directory)
                eventually(lambda: max(writer.acknowledged.values()) > promoted)
                resumed = min(at for at in writer.acknowledged.values() if at > promoted) - promoted
                last = list(writer.acknowledged)[-1]
                eventually(lambda: node.get(f"/{last}").status == 200)
                eventually(lambda: _ready(plane.client, dpm))
            there = set(database.rows("select id from resource where kind = 'routes'"))
            print(f"sent {load.answered}, failed {len(load.failed)}, writes again after {resumed:.1f} s")  # noqa: T201
            assert load.answered > 50
            assert load.failed == []
            assert set(writer.refused) <= {503}
            assert set(writer.acknowledged) <= there
            assert resumed < RESUMED


def by_the_runbook(database: pg.Pair, admin: Role, folder: Path) -> None:
    """Promote the standby as the high-availability guide says."""
    *_, promote = blocks("high-availability.md", "A control plane that fails")
    (folder / "psql").symlink_to(database.binaries / "psql")
    words = {"5433": f"{database.ports[1]}", "7081": f"{7081 + admin.offset}"}
    Machine({}, words, folder).run(promote)


def _ready(client: httpx.Client, dpm: Role) -> bool:
    return client.get(dpm.url("dpm", "/readyz")).status_code == 200
