"""A client of the delta protocol: subscribe, unsubscribe, ack and nack, straight on a stream's state; and a wait."""

import asyncio
from collections.abc import Callable, Iterator

from gatefleet.protos.envoy.service.discovery import v3 as discovery
from gatefleet.snapshot import Snapshot, snapshot_of
from gatefleet.xds.stream import State


class FakeClient:
    """Keeps what it accepted; time is a number that the test sets."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.now = 0.0
        self.held: dict[str, dict[str, bytes]] = {}
        self.told_gone: list[str] = []
        self._received: discovery.DeltaDiscoveryResponse | None = None

    def subscribe(self, type_url: str, *names: str, held: dict[str, str] | None = None) -> None:
        self.state.receive(
            discovery.DeltaDiscoveryRequest(
                type_url=type_url, resource_names_subscribe=names, initial_resource_versions=held or {}
            )
        )

    def unsubscribe(self, type_url: str, *names: str) -> None:
        self.state.receive(discovery.DeltaDiscoveryRequest(type_url=type_url, resource_names_unsubscribe=names))

    def receive(self) -> "discovery.DeltaDiscoveryResponse | None":
        """The next response, parsed; None when nothing comes."""
        response = self.state.next(self.now)
        self._received = discovery.DeltaDiscoveryResponse.FromString(response.body) if response else None
        return self._received

    def ack(self) -> None:
        """Take the response received last."""
        got = self._received
        assert got
        held = self.held.setdefault(got.type_url, {})
        held.update({r.name: r.resource.value for r in got.resources})
        for name in got.removed_resources:
            held.pop(name, None)
            self.told_gone.append(name)
        self.state.receive(discovery.DeltaDiscoveryRequest(type_url=got.type_url, response_nonce=got.nonce))

    def nack(self, reason: str) -> None:
        """Refuse the response received last."""
        got = self._received
        assert got
        self.state.receive(
            discovery.DeltaDiscoveryRequest(
                type_url=got.type_url, response_nonce=got.nonce, error_detail={"code": 3, "message": reason}
            )
        )

    def drain(self) -> Iterator["discovery.DeltaDiscoveryResponse"]:
        """Receive and take everything there is."""
        while response := self.receive():
            self.ack()
            yield response

    @property
    def snapshot(self) -> Snapshot:
        return snapshot_of((t, n, b) for t, entries in self.held.items() for n, b in entries.items())


def short(response: "discovery.DeltaDiscoveryResponse | None") -> tuple[str, list[str], list[str]]:
    """Last word of the type, names brought, names gone."""
    assert response
    return response.type_url.rpartition(".")[2], [r.name for r in response.resources], list(response.removed_resources)


async def until(true: Callable[[], object]) -> None:
    """Wait until `true()`; TimeoutError after a minute."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
