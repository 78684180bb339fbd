"""Who may do what at the DP Manager, over its real TLS front."""

import asyncio
import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import grpc.aio
import httpx
import pytest
from sqlalchemy import text

from gatefleet import fleet, pki, sealed
from gatefleet.dpm.callers import XFCC
from gatefleet.errors import GatefleetError
from gatefleet.fleet import Machine
from gatefleet.pki import Identity, Pair
from gatefleet.resources import Document
from gatefleet.snapshot import CONSUMER
from gatefleet.store import Store, admittance, fleet_keys
from gatefleet.store import fleet as fleets
from gatefleet.store.authority import authorities
from tests.authorities import authority, rsa_key
from tests.conftest import MASTER_KEY
from tests.dpm.dp_manager import MACHINE, DpManager, dp_manager, node
from tests.node.conftest import holds
from tests.xds.xds_client import until

pytestmark = pytest.mark.anyio


def refusal(error: pytest.ExceptionInfo[grpc.aio.AioRpcError]) -> tuple[grpc.StatusCode, str]:
    return error.value.code(), error.value.details() or ""


async def fetch_ca(manager: DpManager, name: str = pki.SERVER_NAME) -> str:
    async with httpx.AsyncClient(verify=False) as http:  # noqa: S501  (the token's fingerprint decides)
        answer = await http.get(f"https://{manager.target}{fleet.CA_PATH}", extensions={"sni_hostname": name})
    return answer.text


async def test_a_node_joins_with_a_token_alone_and_is_on_the_list(manager: DpManager) -> None:
    token, key = await manager.token(), pki.new_key()
    ca = pki.pinned(await fetch_ca(manager), pki.parse_token(token))
    async with node(manager, ca=ca) as stranger:
        joined = await stranger.enroll(token, pki.create_csr(key, "anything"))
    assert pki.identity_of(joined.certificate) == Identity("default", "node-1")
    async with node(manager, Pair(joined.certificate, key), ca) as member, member.following() as stream:
        seal = await stream.revision(0)
        sealed.verify(seal, stream.follower.snapshot, joined.verification_keys)
        assert (await member.beat()).newest_revision == 0
    async with manager.store.transaction() as connection:
        (listed,) = await fleets.list_instances(connection, "default")
    assert (listed.id, listed.hostname, listed.ports, listed.status) == ("node-1", "host-1", (9080,), "Healthy")


async def test_what_is_no_request_is_refused_without_a_word_too_many(manager: DpManager) -> None:
    async with node(manager) as stranger:
        for body in (Machine("x\0", "", ""), Machine("", "", "")):
            with pytest.raises(grpc.aio.AioRpcError, match="the request cannot be read") as error:
                await stranger.call(fleet.ENROLL, body)
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.aio.AioRpcError, match="larger than"):
            await stranger.call(fleet.ENROLL, Machine("x" * 2_000_000, "", ""))


async def test_a_token_of_another_ca_is_of_no_use(manager: DpManager) -> None:
    token = pki.mint_token(pki.create_ca(datetime.now(UTC)).certificate)
    with pytest.raises(Exception, match="someone in between"):
        pki.pinned(await fetch_ca(manager), token)
    async with node(manager) as stranger:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stranger.enroll(token.plain, pki.create_csr(pki.new_key(), "x"))
    assert refusal(error) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "the join token is not known here; mint a new one for the gateway group",
    )


@pytest.mark.parametrize("instance", ["", "a b", "x" * 65, "a/b", "ä", "bundle-1"])
async def test_an_instance_id_that_cannot_stand_in_a_certificate_is_refused(manager: DpManager, instance: str) -> None:
    async with node(manager) as stranger:
        with pytest.raises(grpc.aio.AioRpcError, match="instance id") as error:
            await stranger.enroll(await manager.token(), pki.create_csr(pki.new_key(), "x"), instance)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_without_a_certificate_enrolment_is_the_only_call(manager: DpManager) -> None:
    async with node(manager) as stranger:
        forged = {XFCC: f"Hash=ab;URI={Identity('default', 'x').uri}"}
        for headers in ({}, forged):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await stranger.beat(**headers)
            assert refusal(error) == (grpc.StatusCode.UNAUTHENTICATED, "this call needs a client certificate")
            async with stranger.following(**headers) as stream:
                assert await stream.problem() == "UNAUTHENTICATED: this call needs a client certificate"
        with pytest.raises(grpc.aio.AioRpcError, match="client certificate"):
            await stranger.renew(pki.create_csr(pki.new_key(), "x"))


async def test_a_certificate_reads_its_own_group_only_whatever_the_node_says(manager: DpManager) -> None:
    await manager.make_group("other")
    await manager.put("default", Document("consumers", "secret-of-default", None, {"username": "secret-of-default"}))
    await manager.put("other", Document("consumers", "of-other", None, {"username": "of-other"}))
    forged = {XFCC: f"Hash=ab;URI={Identity('default', 'x').uri}"}
    for headers in ({}, forged):  # its node id is "default" too
        async with node(manager, await manager.bundle("other")) as foreign, foreign.following(**headers) as stream:
            assert (await stream.revision(1)).group == "other"
            assert set(stream.follower.of(CONSUMER)) == {"of-other"}


async def test_a_certificate_of_another_ca_does_not_get_through_the_handshake(manager: DpManager) -> None:
    now = datetime.now(UTC)
    pair = pki.issue_client(pki.create_ca(now), Identity("default", "x"), now)
    async with node(manager, pair) as foreign:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await foreign.beat()
    assert error.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_of_ours_that_names_no_group_is_refused(manager: DpManager) -> None:
    async with manager.store.transaction() as connection:
        ca = (await authorities(connection, manager.store.cipher)).issuing
    async with node(manager, pki.issue_server(ca, ("x",), datetime.now(UTC))) as odd:
        with pytest.raises(grpc.aio.AioRpcError):
            await odd.beat()


async def test_a_revoked_certificate_ends_its_streams_and_is_refused_at_the_handshake(manager: DpManager) -> None:
    pair, other = await manager.bundle(), await manager.bundle()
    async with node(manager, pair) as member, member.following() as stream, node(manager, other) as innocent:
        await stream.revision(0)
        async with manager.store.transaction() as connection:
            await admittance.revoke(connection, "default", pki.serial(pair.certificate))
        assert await stream.problem() == "PERMISSION_DENIED: the client certificate is revoked"
        assert await innocent.beat()
    async with node(manager, pair) as again:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await again.beat()
    assert error.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_is_renewed_for_the_same_node_and_a_new_key(manager: DpManager) -> None:
    pair, key = await manager.bundle(), pki.new_key()
    async with node(manager, pair) as member:
        renewed = await member.renew(pki.create_csr(key, "default/other"))
    assert pki.identity_of(renewed.certificate) == pki.identity_of(pair.certificate)
    assert pki.identity_of(pair.certificate).shared
    async with node(manager, Pair(renewed.certificate, key)) as member:
        assert await member.beat()


async def test_nodes_that_share_a_bundle_are_told_apart_and_get_certificates_of_their_own(manager: DpManager) -> None:
    pair, key = await manager.bundle(), pki.new_key()
    async with node(manager, pair) as one, node(manager, pair) as two:
        await one.beat(instance="one")
        await two.beat(instance="two")
        renewed = await two.renew(pki.create_csr(key, "x"), instance="two")
    assert pki.identity_of(renewed.certificate) == Identity("default", "two")
    async with node(manager, Pair(renewed.certificate, key)) as two:
        await two.beat(instance="one")  # its certificate is its own now: it cannot speak for another
    async with manager.store.transaction() as connection:
        listed = {i.id: i for i in await fleets.list_instances(connection, "default")}
    assert listed.keys() == {"one", "two"}
    assert listed["two"].last_heartbeat_at > listed["one"].last_heartbeat_at
    assert listed["two"].problems == {"xy": "z" * 2000}


async def test_a_node_newer_than_the_control_plane_is_refused_and_told_why(manager: DpManager) -> None:
    newer = Machine("h", "1.1.1.1", "99.0.0")
    reason = "this node is of version 99.0.0, newer than the control plane's"
    async with node(manager, await manager.bundle()) as member:
        with pytest.raises(grpc.aio.AioRpcError, match=reason):
            await member.beat(newer)
        with pytest.raises(grpc.aio.AioRpcError, match=reason):
            await member.enroll(await manager.token(), pki.create_csr(pki.new_key(), "x"), machine=newer)
        async with member.following(**{fleet.VERSION_HEADER: "99.0.0"}) as stream:
            assert reason in await stream.problem()
        assert await member.beat(Machine("h", "1.1.1.1", "0.1.99"))


async def test_the_plain_port_tells_health_and_numbers_and_nothing_else(manager: DpManager) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{manager.settings.http_port}") as http:
        assert (await http.get("/healthz")).json() == {"status": "ok", "postgresql": "ok"}
        assert 'gatefleet_group_revision{gateway_group="default"}' in (await http.get("/metrics")).text
        assert {(await http.get(path)).status_code for path in (fleet.CA_PATH, "/", fleet.ENROLL)} == {404}


@pytest.mark.parametrize("port", ["http_port", "tls_port"])
async def test_a_taken_port_is_said_with_what_to_do(store: Store, dsn: str, tmp_path: Path, port: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(GatefleetError, match=rf"port {number} on 127\.0\.0\.1.*choose another with --{port[:-5]}"):
            async with dp_manager(store, dsn, MASTER_KEY, tmp_path, **{port: number}):
                pass


async def test_old_tls_is_refused(manager: DpManager) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    _, writer = await asyncio.open_connection("127.0.0.1", manager.settings.tls_port, ssl=context)
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.2"
    writer.close()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection("127.0.0.1", manager.settings.tls_port, ssl=context)


async def test_callers_of_another_name_get_the_given_certificate_also_after_it_changed(
    store: Store, dsn: str, tmp_path: Path
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def give() -> Pair:
        pair = pki.self_signed(("dpm.example",), datetime.now(UTC))
        key.write_text(pair.key)
        cert.write_text(pair.certificate)
        return pair

    async def shown(name: str) -> str:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection(
            "127.0.0.1", manager.settings.tls_port, ssl=context, server_hostname=name
        )
        found = ssl.DER_cert_to_PEM_cert(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        writer.close()
        return found

    first = give()
    async with dp_manager(store, dsn, MASTER_KEY, tmp_path, tls_cert=cert, tls_key=key) as manager:
        assert await shown("dpm.example") == first.certificate
        assert await shown(pki.SERVER_NAME) != first.certificate
        second = give()

        async def replaced() -> bool:
            with suppress(OSError):  # the front starts again
                return await shown("dpm.example") == second.certificate
            return False

        assert await holds(replaced)
        assert await manager.bundle()


async def test_what_is_kept_in_the_database_lets_nobody_in(manager: DpManager) -> None:
    token = pki.parse_token(await manager.token())
    pair = await manager.bundle()
    async with manager.store.transaction() as connection:
        keys = await fleets.snapshot_keys(connection, manager.store.cipher, "default")
        tables = ("join_token", "certificate_authority", "client_certificate", "snapshot_key")
        rows = [str((await connection.execute(text(f"select * from {t}"))).all()) for t in tables]  # noqa: S608
    kept = "".join(rows)
    for secret in (token.secret, pair.key, "PRIVATE", keys[0].seal.hex(), keys[0].copy.hex(), str(keys[0].copy)):
        assert secret not in kept
    assert token.hashed in kept
    assert MACHINE.hostname not in kept


async def test_the_operators_authority_issues_and_nodes_of_the_one_before_stay(
    store: Store, dsn: str, tmp_path: Path
) -> None:
    async with dp_manager(store, dsn, MASTER_KEY, tmp_path) as manager:
        old, ours = await manager.bundle(), manager.ca
    root = authority(rsa_key(), "Root")
    files = {"ca_cert": tmp_path / "ca.crt", "ca_key": tmp_path / "ca.key"}
    given = authority(rsa_key(), "Operator CA", above=root)
    files["ca_cert"].write_text(given.certificate)
    files["ca_key"].write_text(given.key)
    async with dp_manager(store, dsn, MASTER_KEY, tmp_path, **files) as manager:
        async with node(manager, old) as member:
            assert await member.beat()
            key = pki.new_key()
            renewed = await member.renew(pki.create_csr(key, "x"), "one")
        assert pki.fingerprints(renewed.ca_certificate) == {pki.fingerprint(c) for c in (ours, given.certificate)}
        new = Pair(renewed.certificate, key)
        async with node(manager, new, renewed.ca_certificate) as member:
            assert await member.beat()
            async with manager.store.transaction() as connection:
                await admittance.shut_out(connection, "default", "one")
                await connection.execute(
                    text("update certificate_authority set created_at = created_at - interval '40 d'")
                )

        async def switched() -> bool:
            with suppress(httpx.TransportError):  # the front starts again
                return pki.fingerprint(await fetch_ca(manager)) == pki.fingerprint(given.certificate)
            return False

        assert await holds(switched)
        assert pki.fingerprints(await fetch_ca(manager)) == pki.fingerprints(renewed.ca_certificate)
        async with node(manager, new, renewed.ca_certificate) as member:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await member.beat()
            assert error.value.code() == grpc.StatusCode.UNAVAILABLE
        async with node(manager, old, given.certificate) as member:  # which now shows a certificate of the given one
            assert await member.beat()
        stranger = pki.issue_client(root, Identity("default", "x"), datetime.now(UTC))
        async with node(manager, stranger, renewed.ca_certificate) as foreign:
            with pytest.raises(grpc.aio.AioRpcError):
                await foreign.beat()
    files["ca_cert"].write_text(pki.issue_server(given, ("x",), datetime.now(UTC)).certificate)
    with pytest.raises(GatefleetError, match="the private key does not belong to the certificate"):
        async with dp_manager(store, dsn, MASTER_KEY, tmp_path, **files):
            pass


async def test_nodes_are_told_of_keys_and_revocations_and_copies_are_sealed_anew(manager: DpManager) -> None:
    pair, other, instance = await manager.bundle(), await manager.bundle(), fleet.INSTANCE_HEADER
    async with node(manager, pair) as member, member.following(**{instance: "one"}) as stream:
        seal = await stream.revision(0)
        told = (await member.beat(instance="one")).trust
        assert told
        assert (set(told.verification_keys), told.newest, told.revoked) == ({seal.key_id}, seal.key_id, ())
        assert (await member.beat(instance="one", trust=told.version)).trust is None
        async with manager.store.transaction() as connection:
            cipher = manager.store.cipher
            fresh = await fleet_keys.rotate(connection, cipher, "default", timedelta(seconds=5), timedelta(days=1))
            await admittance.revoke(connection, "default", pki.serial(other.certificate))

        async def announced() -> bool:
            heard = (await member.beat(instance="one", trust=told.version)).trust
            revoked = (pki.certificate_hash(other.certificate),)
            return heard is not None and (set(heard.verification_keys), heard.newest, heard.revoked) == (
                {seal.key_id, fresh}, seal.key_id, revoked,
            )  # fmt: skip

        assert await holds(announced)
        assert stream.seal == seal
        await until(lambda: stream.seal and stream.seal.key_id == fresh)
        assert stream.seal
        async with manager.store.transaction() as connection:
            keys = await fleet_keys.snapshot_keys(connection, manager.store.cipher, "default")
        sealed.verify(stream.seal, stream.follower.snapshot, {key.key_id: key.verification for key in keys})
        assert stream.seal.revision == seal.revision
