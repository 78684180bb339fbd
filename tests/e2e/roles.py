"""The control plane as an operator runs it: `admin` and `dpm` as processes of their own over a given PostgreSQL."""

import base64
import contextlib
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.e2e import kit
from tests.e2e.kit import GATEFLEET, PORTS, eventually, free_offset


@dataclass(slots=True)
class Role:
    """A running `gatefleet admin` or `gatefleet dpm`."""

    process: subprocess.Popen[bytes]
    offset: int
    log: Path
    environment: dict[str, str] = field(repr=False)

    def url(self, port: str, path: str = "") -> str:
        return f"http{'s' if port.endswith('tls') else ''}://127.0.0.1:{PORTS[port] + self.offset}{path}"

    def kill(self) -> None:
        """Kill -9, as by a machine that goes away."""
        self.process.kill()
        self.process.wait(20)

    def begin(self) -> None:
        """Start it again, with what it was started with."""
        self.process = kit.spawn(self.process.args, self.log, self.environment)


@dataclass(slots=True)
class ControlPlane:
    """Any number of `admin` and `dpm` over one PostgreSQL."""

    dsn: str
    directory: Path
    client: httpx.Client = field(repr=False)
    roles: list[Role] = field(default_factory=list[Role])

    @property
    def key(self) -> Path:
        return self.directory / "encryption.key"

    def admin(self, **more: str) -> Role:
        """One more `gatefleet admin`, ready."""
        offset = free_offset()
        ports = {"HTTP_PORT": PORTS["admin"], "HTTPS_PORT": PORTS["admin_tls"], "STATUS_PORT": 7081}
        role = self._start("admin", offset, ports, **more)
        self._ready(role, role.url("admin", "/readyz"))
        return role

    def dpm(self, *, offset: int | None = None, addresses: str | None = None) -> Role:
        """One more `gatefleet dpm`, ready; `addresses` are what nodes are told to connect to."""
        offset = free_offset() if offset is None else offset
        ports = {"HTTP_PORT": PORTS["dpm"], "TLS_PORT": PORTS["dpm_tls"]}
        told = addresses or f"https://127.0.0.1:{PORTS['dpm_tls'] + offset}"
        role = self._start("dpm", offset, ports, GATEFLEET_DPM_ADDRESSES=told)
        self._ready(role, role.url("dpm", "/readyz"))
        return role

    def call(self, role: Role, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """A call of the Admin API of one replica as the first administrator."""
        query = {"gateway_group_id": "default"} if path.startswith("/apisix/") else None
        url = role.url("admin", path)
        return self.client.request(method, url, json=body, params=query, auth=("admin", "admin"), **more)

    def stop(self) -> None:
        for role in self.roles:
            if role.process.poll() is None:
                role.process.send_signal(signal.SIGTERM)
        for role in self.roles:
            role.process.wait(40)

    def _start(self, name: str, offset: int, ports: dict[str, int], **more: str) -> Role:
        prefix = f"GATEFLEET_{name.upper()}_"
        own = self.directory / f"{name}-{offset}"
        values = {f"{prefix}{port}": str(number + offset) for port, number in ports.items()}
        values |= {
            f"{prefix}DSN": self.dsn,
            f"{prefix}ENCRYPTION_KEY_FILE": str(self.key),
            f"{prefix}BIND": "127.0.0.1",
            f"{prefix}DATA_DIR": str(own),
            f"{prefix}NAMES": "127.0.0.1",
        }
        log = self.directory / f"{name}-{offset}.log"
        environment = {**values, **more}
        self.roles.append(role := Role(kit.spawn([GATEFLEET, name], log, environment), offset, log, environment))
        return role

    def _ready(self, role: Role, url: str) -> None:
        def answers() -> bool:
            assert role.process.poll() is None, role.log.read_text()[-4000:]
            return self.client.get(url).status_code == 200

        eventually(answers, every=0.1)


@contextlib.contextmanager
def control_plane(dsn: str, directory: Path) -> Iterator[ControlPlane]:
    """A migrated database and a key; all roles that were started are stopped at the end."""
    directory.mkdir(parents=True, exist_ok=True)
    with httpx.Client(timeout=30) as client:
        plane = ControlPlane(dsn, directory, client)
        plane.key.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
        plane.key.chmod(0o600)
        environment = {**os.environ, "GATEFLEET_ADMIN_DSN": dsn}
        subprocess.run([GATEFLEET, "migrate"], env=environment, check=True, timeout=60, stdout=subprocess.DEVNULL)
        try:
            yield plane
        finally:
            plane.stop()
