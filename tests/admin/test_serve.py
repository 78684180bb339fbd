"""The role over real sockets: http and https, a certificate that changes, a stop that lets requests finish."""

import asyncio
import base64
import socket
import ssl
import warnings
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from conftest import certificate
from sqlalchemy import text

from gatefleet.admin.serve import open_store, serving
from gatefleet.errors import GatefleetError
from gatefleet.settings import AdminSettings
from gatefleet.store.crypto import new_key

pytestmark = pytest.mark.anyio


async def shown_names(port: int) -> bytes:
    """The certificate a new connection gets, DER."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return found


async def test_http_https_and_status_answer(admin_settings: AdminSettings) -> None:
    async with serving(admin_settings) as ports, httpx.AsyncClient(verify=False) as client:  # noqa: S501 - self-signed
        for url in (f"http://127.0.0.1:{ports.http}", f"https://127.0.0.1:{ports.https}"):
            assert (await client.get(f"{url}/api/version")).status_code == 200
            assert (await client.get(f"{url}/api/nowhere")).json() == {"error_msg": "not found"}
            assert "text/html" in (await client.get(f"{url}/groups/default")).headers["content-type"]
            assert (await client.get(f"{url}/api/login")).status_code == 405
        status = f"http://127.0.0.1:{ports.status}"
        assert (await client.get(f"{status}/healthz")).json() == {"status": "ok"}
        assert (
            'gatefleet_admin_requests_total{method="GET",status="200"} 4.0'
            in (await client.get(f"{status}/metrics")).text
        )
        assert (await client.get(f"{status}/api/version")).status_code == 404
        with pytest.raises(httpx.ConnectError, match="self-signed certificate"):
            async with httpx.AsyncClient() as careful:
                await careful.get(f"https://127.0.0.1:{ports.https}/api/version")


async def test_the_self_signed_certificate_is_kept(admin_settings: AdminSettings) -> None:
    async with serving(admin_settings) as ports:
        first = await shown_names(ports.https)
    async with serving(admin_settings) as ports:
        assert await shown_names(ports.https) == first
    assert (admin_settings.data_dir / "self-signed.key").stat().st_mode & 0o77 == 0


async def test_a_changed_certificate_is_taken_and_a_broken_one_is_not(
    admin_settings: AdminSettings, tmp_path: Path
) -> None:
    files = {"tls_cert": tmp_path / "cert.pem", "tls_key": tmp_path / "key.pem"}

    def write(name: str, *, key_of: str | None = None) -> None:
        files["tls_key"].write_text(certificate(key_of or name).key)
        files["tls_cert"].write_text(certificate(name).certificate)

    write("one.test")
    async with serving(admin_settings.model_copy(update=files)) as ports:
        before = await shown_names(ports.https)
        assert before == ssl.PEM_cert_to_DER_cert(certificate("one.test").certificate)
        write("two.test", key_of="one.test")
        await asyncio.sleep(1.5)
        assert await shown_names(ports.https) == before
        write("two.test")
        async with asyncio.timeout(30):
            while (shown := await shown_names(ports.https)) == before:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert shown == ssl.PEM_cert_to_DER_cert(certificate("two.test").certificate)


async def test_a_running_request_is_finished_before_it_stops(admin_settings: AdminSettings) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        async with AsyncExitStack() as stack:
            ports = await stack.enter_async_context(serving(admin_settings))
            store = await open_store(admin_settings)
            async with store.transaction() as connection:
                await connection.execute(text("lock table gateway_group in access exclusive mode"))
                basic = base64.b64encode(b"admin:admin").decode()
                slow = asyncio.create_task(
                    client.get(
                        f"http://127.0.0.1:{ports.http}/api/gateway_groups", headers={"Authorization": f"Basic {basic}"}
                    )
                )
                waiting = text("select count(*) from pg_locks where not granted")
                async with asyncio.timeout(30):
                    while not (await connection.execute(waiting)).scalar_one():  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                assert not slow.done()
                stopping = asyncio.create_task(stack.aclose())
                await asyncio.sleep(0.2)
                assert not stopping.done()
            await stopping
            await store.close()
        assert (await slow).status_code == 200


async def test_a_port_that_is_taken_is_said_with_what_to_do(admin_settings: AdminSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = admin_settings.model_copy(update={"http_port": taken.getsockname()[1]})
        with pytest.raises(GatefleetError, match="choose another with --http-port"):
            async with serving(settings):
                pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encryption_key_file": Path("/nowhere/key")}, "cannot read the encryption key file"),
        ({"tls_cert": Path("/nowhere/cert")}, "belong together"),
        ({"tls_cert": Path("/nowhere/cert"), "tls_key": Path("/nowhere/key")}, "cannot use --tls-cert"),
    ],
)
async def test_settings_that_cannot_work_are_said_so(
    admin_settings: AdminSettings, change: dict[str, Path], message: str
) -> None:
    with pytest.raises(GatefleetError, match=message):
        async with serving(admin_settings.model_copy(update=change)):
            pass


async def test_a_foreign_master_key_is_refused(admin_settings: AdminSettings) -> None:
    admin_settings.encryption_key_file.write_text(base64.b64encode(new_key()).decode())
    with pytest.raises(GatefleetError, match="does not fit this database"):
        await open_store(admin_settings)


async def test_old_tls_is_refused_and_strong_ciphers_only_are_spoken(admin_settings: AdminSettings) -> None:
    async with serving(admin_settings) as ports:
        for version, refused in ((ssl.TLSVersion.TLSv1_1, True), (ssl.TLSVersion.TLSv1_2, False)):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = context.maximum_version = version
            context.set_ciphers("ALL:@SECLEVEL=0")
            if refused:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await asyncio.open_connection("127.0.0.1", ports.https, ssl=context)
                continue
            _, writer = await asyncio.open_connection("127.0.0.1", ports.https, ssl=context)
            name, _, bits = writer.get_extra_info("ssl_object").cipher()
            assert (name.startswith("ECDHE"), "GCM" in name or "CHACHA20" in name, bits >= 128) == (True, True, True)
            writer.close()


async def test_addresses_are_let_in_as_set_and_proxies_believed_only_if_trusted(admin_settings: AdminSettings) -> None:
    rules = {"allow_from": ("127.0.0.1", "10.0.0.0/8"), "deny_from": ("10.6.6.0/24",)}
    for trusted, statuses in (
        (("127.0.0.1",), {"10.1.1.1": 200, "10.6.6.6": 403, "8.8.8.8": 403, "10.1.1.1, 127.0.0.1": 200}),
        ((), {"10.6.6.6": 200, "8.8.8.8": 200}),
    ):
        settings = admin_settings.model_copy(update={**rules, "trusted_proxies": trusted})
        async with serving(settings) as ports, httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{ports.http}/api/version"
            found = {said: (await client.get(url, headers={"X-Forwarded-For": said})).status_code for said in statuses}
            assert found == statuses
            assert (await client.get(url)).status_code == 200


async def test_who_asks_too_often_waits_and_others_do_not(admin_settings: AdminSettings) -> None:
    rates = {"requests_per_second": 3, "sign_ins_per_second": 1, "trusted_proxies": ("127.0.0.1",)}
    async with serving(admin_settings.model_copy(update=rates)) as ports, httpx.AsyncClient() as client:
        base = f"http://127.0.0.1:{ports.http}"
        answers = await asyncio.gather(*(client.get(f"{base}/api/version") for _ in range(60)))
        refused = [answer for answer in answers if answer.status_code != 200]
        assert 7 <= len(answers) - len(refused) < 60
        assert {(answer.status_code, answer.headers["retry-after"]) for answer in refused} == {(429, "1")}
        elsewhere = {"X-Forwarded-For": "10.0.0.9"}
        assert (await client.get(f"{base}/api/version", headers=elsewhere)).status_code == 200
        asked = (client.post(f"{base}/api/login", json={}, headers=elsewhere) for _ in range(30))
        logins = Counter(answer.status_code for answer in await asyncio.gather(*asked))
        assert (logins[400] >= 3, logins[429] > 0, len(logins)) == (True, True, 2)
