"""A real node per test process, which serves one group of cases after the other."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

import pytest

from gatefleet.compile.compiler import Compiler
from gatefleet.resources import Document
from tests.conformance import cases, upstreams
from tests.conformance.upstreams import Upstreams
from tests.e2e import kit
from tests.node.conftest import Node, running
from tests.node.manager_twin import Twin


@dataclass
class Gateway:
    """The node, the DP Manager's twin it takes its revisions from, and the upstreams behind it."""

    twin: Twin = field(repr=False)
    node: Node = field(repr=False)
    upstreams: Upstreams = field(repr=False)
    revision: int = 0
    group: str | None = None
    failed: dict[str, str] = field(default_factory=dict[str, str], repr=False)

    def port(self, name: str = "http") -> int:
        """The port of requests, or the one of `metrics` or `status`."""
        return kit.PORTS[name] + self.node.offset

    async def load(self, group: str) -> None:
        """Serve the cases of `group`; the node has proven that it does when this returns."""
        if group == self.group:
            return
        if group in self.failed:
            pytest.fail(self.failed[group][:500])
        try:
            await self._serve(group)
        except AssertionError as error:
            self.failed[group] = str(error)
            raise

    async def _serve(self, group: str) -> None:
        await self.serve(cases.documents(group, self.upstreams.ports), group)
        self.group = group

    async def serve(self, documents: Iterable[Document], group: str = "") -> None:
        """Serve these documents, which are of none of the cases' groups unless one is named."""
        compiled = Compiler().update(documents)
        assert not compiled.problems, compiled.problems
        self.revision += 1
        self.group = None
        self.twin.publish(compiled.snapshot, self.revision)
        for _ in range(6000):
            assert self.node.process.returncode is None, f"the node has ended: {self.node.log()[-3000:]}"
            if self.twin.beats and self.twin.beats[-1].applied_revision == self.revision:
                break
            await asyncio.sleep(0.01)
        else:
            raise AssertionError(f"the node did not apply {group}: {self.node.log()[-3000:]}")
        assert not self.twin.beats[-1].problems, self.twin.beats[-1].problems


@pytest.fixture(scope="session")
async def gateway(tmp_path_factory: pytest.TempPathFactory, one_event_loop: None) -> AsyncIterator[Gateway]:
    del one_event_loop
    directory = tmp_path_factory.mktemp("conformance")
    twin = Twin()
    await twin.start()
    (directory / "bundle.json").write_bytes(twin.bundle().to_json())
    with upstreams.running() as behind:
        async with running(directory / "node", "--bundle", str(directory / "bundle.json")) as node:
            yield Gateway(twin, node, behind)
    await twin.stop()
