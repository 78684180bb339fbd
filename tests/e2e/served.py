"""A real node that serves whatever documents a test gives it, without a control plane around it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gatefleet.compile.compiler import Compiled, Compiler
from gatefleet.resources import Document
from tests.node.conftest import Node, running
from tests.node.manager_twin import Twin


@dataclass
class Served:
    """The node, and the group it serves, changed document by document."""

    twin: Twin
    node: Node
    compiler: Compiler = field(default_factory=Compiler)
    revision: int = 0
    compiled: Compiled | None = None
    held: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def port(self, port: int) -> int:
        """Where the node really listens for this port."""
        return port + self.node.offset

    async def put(self, *documents: Document, gone: tuple[tuple[str, str], ...] = ()) -> dict[str, str]:
        """Change the group; once the node has taken it, what the node could not do ("type/name" to the reason)."""
        self.compiled = self.compiler.update(documents, gone)
        self.held |= {(document.kind, document.key) for document in documents}
        self.held -= set(gone)
        self.revision += 1
        self.twin.publish(self.compiled.snapshot, self.revision)
        for _ in range(6000):
            if self.twin.beats and self.twin.beats[-1].applied_revision == self.revision:
                return dict(self.twin.beats[-1].problems)
            await asyncio.sleep(0.01)
        raise AssertionError(f"the node did not apply revision {self.revision}: {self.node.log()[-3000:]}")

    async def restart(self, gone: tuple[str, ...]) -> None:
        """Take away every document of these kinds."""
        await self.put(gone=tuple(sorted((kind, key) for kind, key in self.held if kind in gone)))


@contextlib.asynccontextmanager
async def serving(directory: Path) -> AsyncGenerator[Served]:
    """A node ready to be given documents; stopped at the end."""
    twin = Twin()
    await twin.start()
    (directory / "bundle.json").write_bytes(twin.bundle().to_json())
    try:
        async with running(directory / "node", "--bundle", str(directory / "bundle.json")) as node:
            yield Served(twin, node)
    finally:
        await twin.stop()


def service(name: str, *ports: int, scheme: str = "http", **more: Any) -> Document:
    """A service whose nodes listen on these ports of 127.0.0.1; one of type stream with scheme tcp, udp or tls."""
    upstream = more.pop("upstream", {})
    nodes = [{"host": "127.0.0.1", "port": port, "weight": 1} for port in ports]
    kind = "stream" if scheme in ("tcp", "udp", "tls") else "http"
    body = {"name": name, "type": kind, "upstream": {"scheme": scheme, "nodes": nodes, **upstream}, **more}
    return Document("services", name, None, body)


def stream_route(name: str, of: str, **more: Any) -> Document:
    return Document("stream_routes", name, of, {"name": name, "service_id": of, **more})
