"""Certificates on demand, with the very Envoy we ship: asked for by server name, added, changed, removed."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import grpc.aio
import pytest

from gatefleet import pki
from gatefleet.envoy import binary
from gatefleet.envoy.process import EnvoyProcess, Options
from gatefleet.pki import Pair
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.listener.v3 import Listener
from gatefleet.protos.envoy.extensions.filters.listener.tls_inspector.v3 import TlsInspector
from gatefleet.protos.envoy.extensions.filters.network.echo.v3 import Echo
from gatefleet.protos.envoy.extensions.transport_sockets.tls.cert_mappers.sni.v3 import SNI
from gatefleet.protos.envoy.extensions.transport_sockets.tls.cert_selectors.on_demand_secret.v3 import Config
from gatefleet.protos.envoy.extensions.transport_sockets.tls.v3 import DownstreamTlsContext, Secret
from gatefleet.snapshot import LISTENER, SECRET, Entry, Snapshot, entry, snapshot_of
from gatefleet.xds.server import Context, Server
from gatefleet.xds.wire import UNLIMITED
from tests.ports import free_port
from tests.xds.test_envoy import ADS, bootstrap

pytestmark = pytest.mark.anyio


def by_server_name(snapshot: Snapshot, type_url: str, name: str) -> Entry | None:
    found = snapshot.of(type_url).get("*." + name.partition(".")[2])
    if found is None:
        return None
    secret = Secret.FromString(found.body)
    secret.name = name
    return entry(secret.SerializeToString())


@dataclass
class Tls:
    """An Envoy that answers TLS with certificates it has to ask for."""

    port: int
    server: Server

    async def publish(self, **pairs: Pair) -> None:
        """Certificates by server name, written with `_` for a dot and `any_` for `*.`."""
        secrets: list[tuple[str, str, bytes]] = []
        for written, pair in pairs.items():
            name = written.replace("any_", "*.").replace("_", ".")
            chain, key = {"inline_string": pair.certificate}, {"inline_string": pair.key}
            secret = Secret(name=name, tls_certificate={"certificate_chain": chain, "private_key": key})
            secrets.append((SECRET, name, secret.SerializeToString(deterministic=True)))
        body = https(self.port).SerializeToString(deterministic=True)
        generation = self.server.publish("envoy", snapshot_of([(LISTENER, "https", body), *secrets]))
        assert await self.server.acknowledged("envoy", generation, types=(LISTENER,))

    async def shown(self, name: str) -> str:
        """The certificate (PEM) that a client asking for `name` is shown; empty when it is refused."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            opening = asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname=name)
            _, writer = await asyncio.wait_for(opening, 5)
        except OSError:
            return ""
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        return ssl.DER_cert_to_PEM_cert(der)


@pytest.fixture
async def tls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tls]:
    folder = tmp_path_factory.mktemp("t")
    found = Tls(free_port(), Server(stepwise=True, resolve=by_server_name))

    async def key_of(_: Context) -> str:
        return "envoy"

    listener = grpc.aio.server(options=UNLIMITED)
    listener.add_generic_rpc_handlers(found.server.handlers(key_of))
    listener.add_insecure_port(f"unix:{folder}/x.sock")
    await listener.start()
    binary.write(bootstrap(folder / "a.sock", folder / "x.sock"), folder / "b.pb")
    envoy = EnvoyProcess(Options(folder / "b.pb", folder / "a.sock", folder, concurrency=1, log=folder / "log"))
    await envoy.start()
    yield found
    await envoy.stop(0)
    await listener.stop(0)


def pair(*names: str) -> Pair:
    return pki.self_signed(names, datetime.now(UTC))


async def test_certificates_come_change_and_go_without_touching_the_listener(tls: Tls) -> None:
    first, second = pair("a.test"), pair("a.test")
    await tls.publish()
    assert await tls.shown("a.test") == ""
    assert await tls.shown("a.test") == ""
    await tls.publish(a_test=first)
    assert await tls.shown("a.test") == first.certificate
    await tls.publish(a_test=second)
    assert await tls.shown("a.test") == second.certificate
    await tls.publish()
    assert await tls.shown("a.test") == ""
    await tls.publish(a_test=first)
    assert await tls.shown("a.test") == first.certificate


async def test_a_wildcard_answers_one_level_below_until_a_name_has_its_own(tls: Tls) -> None:
    wild, own = pair("*.w.test"), pair("a.w.test")
    await tls.publish(any_w_test=wild)
    assert await tls.shown("a.w.test") == wild.certificate
    assert await tls.shown("b.w.test") == wild.certificate
    assert await tls.shown("w.test") == ""
    await tls.publish(any_w_test=wild, a_w_test=own)
    assert await tls.shown("a.w.test") == own.certificate
    assert await tls.shown("b.w.test") == wild.certificate
    await tls.publish(a_w_test=own)
    assert await tls.shown("a.w.test") == own.certificate
    assert await tls.shown("b.w.test") == ""


def https(port: int) -> Listener:
    selector = Config(
        config_source=ADS,
        certificate_mapper={"name": "sni", "typed_config": pack(SNI(default_value="none"))},
    )
    context = DownstreamTlsContext(
        common_tls_context={
            "custom_tls_certificate_selector": {"name": "on-demand", "typed_config": pack(selector)},
        },
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
    )
    return Listener(
        name="https",
        address={"socket_address": {"address": "127.0.0.1", "port_value": port}},
        listener_filters=[{"name": "tls_inspector", "typed_config": pack(TlsInspector())}],
        filter_chains=[
            {
                "transport_socket": {"name": "tls", "typed_config": pack(context)},
                "filters": [{"name": "echo", "typed_config": pack(Echo())}],
            }
        ],
    )
