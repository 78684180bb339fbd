"""Secrets kept outside, through a node with the real Envoy: had, renewed, missed and kept."""

import asyncio
import json
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from vaults import TOKEN, Standin, standin

from gatefleet import pki, references
from gatefleet.compile.compiler import Compiler
from gatefleet.node.secrets import Secrets
from gatefleet.pki import Pair
from gatefleet.resources import Document
from gatefleet.snapshot import REFERENCE, Snapshot, snapshot_of
from tests.e2e import kit
from tests.node.conftest import HOST, Node, holds, running
from tests.node.manager_twin import Twin

pytestmark = pytest.mark.anyio
SNI = "secret.test"


def group(upstream: int, known: Standin, *, key: str = "jack/key", csrf: str = "site/csrf") -> Snapshot:
    """Routes that ask for jack's key, sign with a key of the site's, and need nothing; a certificate."""
    nodes = [{"host": "127.0.0.1", "port": upstream, "weight": 1}]
    provider = {"uri": known.url, "prefix": "one/gate", "token": "$env://A_VAULT_TOKEN"}
    plugins: dict[str, dict[str, Any]] = {
        "asks": {"key-auth": {}},
        "signs": {"csrf": {"key": f"$secret://vault/v/{csrf}"}},
        "free": {},
    }
    documents = [
        Document("secret_providers", "vault/v", None, provider),
        Document("services", "s", None, {"name": "s", "hosts": [HOST, SNI], "upstream": {"nodes": nodes}}),
        Document("consumers", "jack", None, {"username": "jack"}),
        Document("credentials", "c", "jack", {"plugins": {"key-auth": {"key": f"$secret://vault/v/{key}"}}}),
        Document("ssls", "s", None, {"snis": [SNI], "cert": "$env://A_PAIR/cert", "key": "$env://A_PAIR/key"}),
    ]
    for name, used in plugins.items():
        documents.append(Document("routes", name, "s", {"name": name, "paths": [f"/{name}"], "plugins": used}))
    compiled = Compiler().update(documents)
    assert not compiled.problems
    return compiled.snapshot


async def shows(node: Node, pair: Pair) -> bool:
    """Whether a TLS client of SNI is shown the pair's certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", kit.PORTS["https"] + node.offset, ssl=context, server_hostname=SNI
        )
    except OSError:
        return False
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return ssl.DER_cert_to_PEM_cert(shown).strip() in pair.certificate


async def test_what_is_kept_on_disk_goes_with_the_groups_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEPT", "kept")
    token = references.token("$env://A_KEPT")
    named = snapshot_of([(REFERENCE, token, references.Wanted("$env://A_KEPT", {}).to_bytes())])
    for keys in ((b"a" * 32, b"b" * 32), (b"b" * 32,)):
        secrets = Secrets(tmp_path / "secrets.bin", 300, lambda: None)
        for key in keys:
            await secrets.follow(named, key)
        assert secrets.values == {token: "kept"}
        await secrets.stop()
        assert b"kept" not in (tmp_path / "secrets.bin").read_bytes()
        monkeypatch.delenv("A_KEPT", raising=False)
    stranger = Secrets(tmp_path / "secrets.bin", 300, lambda: None)
    await stranger.follow(named, b"a" * 32)
    assert stranger.values == {}
    await stranger.stop()


async def test_secrets_are_had_renewed_missed_and_kept(
    twin: Twin, directory: Path, slow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = pki.create_ca(datetime.now(UTC))
    pair = pki.issue_server(ca, [SNI], datetime.now(UTC))
    monkeypatch.setenv("A_VAULT_TOKEN", TOKEN)
    monkeypatch.setenv("A_PAIR", json.dumps({"cert": pair.certificate, "key": pair.key}))
    monkeypatch.setenv("GATEFLEET_NODE_SECRET_TTL", "1")
    bundle = ("--bundle", f"{directory.parent}/bundle.json")

    async def told(problem: str, why: str = "it has no [typo]") -> bool:
        """Whether the DP Manager has heard of this problem, and why it is one; of none, if it is empty."""
        problems = twin.beats[-1].problems if twin.beats else {"nothing was heard yet": ""}
        return why in problems.get(problem, "") if problem else not problems

    with standin(gate__jack={"key": "first-key"}, gate__site={"csrf": "sign"}) as known:
        twin.publish(group(slow, known), 1)
        async with running(directory, *bundle) as node:
            await node.until("/asks", 200, apikey="first-key")
            await node.until("/asks", 401, apikey="$secret://vault/v/jack/key")
            await node.until("/signs", 200)
            assert await shows(node, pair)
            assert await holds(lambda: told(""))
            states = (await node.status("/status/secrets")).json()["secrets"]
            assert {one["state"] for one in states} == {"current"}
            assert "first-key" not in repr(states)

            known.secrets["gate/jack"] = {"key": "second-key"}
            await node.until("/asks", 200, apikey="second-key")
            await node.until("/asks", 401, apikey="first-key")

            twin.publish(group(slow, known, csrf="site/typo"), 2)
            await node.until("/signs", 503)
            assert (await node.get("/free")).status_code == 200
            assert (await node.get("/asks", apikey="second-key")).status_code == 200
            said = await node.until_status("/status/ready", 200)
            assert "site/typo: it has no [typo]" in said

            assert await holds(lambda: told("secret/$secret://vault/v/site/typo"))
            twin.publish(group(slow, known), 3)
            await node.until("/signs", 200)
    assert b"second-key" not in b"".join(file.read_bytes() for file in directory.rglob("*") if file.is_file())
    async with running(directory, *bundle) as node:  # nobody answers for the secrets by now
        await node.until("/asks", 200, apikey="second-key")
        await node.until("/asks", 401, apikey="first-key")
        assert await holds(lambda: told("secret/$secret://vault/v/jack/key", "ConnectError"))
        assert "the last secret stays" in twin.beats[-1].problems["secret/$secret://vault/v/jack/key"]
