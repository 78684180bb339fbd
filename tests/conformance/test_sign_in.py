"""A browser signs in through a real node at a real OpenID provider, stays signed in, and signs out."""

import asyncio
import base64
import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psutil
import pytest

from gatefleet.resources import Document
from tests.conformance.client import Answer, send
from tests.conformance.conftest import Gateway
from tests.ports import free_port

pytestmark = pytest.mark.anyio
HOST = "sign-in.test"
LIFE = 6
"""Seconds that the provider's access tokens live."""


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """Where a provider is that knows everybody."""
    port = free_port()
    user = json.dumps({"sub": "jane", "email": "jane@example.org"})
    options = ["--port", str(port), "--token-max-age", str(LIFE), "--user-claims", user]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield _answering(f"http://localhost:{port}", process)
        finally:
            process.kill()


def _answering(address: str, process: "subprocess.Popen[bytes]") -> str:
    """The address, once somebody answers there."""
    for _ in range(1200):
        assert process.poll() is None, "the provider ended"
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"{address}/jwks")
            return address
        time.sleep(0.05)
    raise AssertionError("the provider does not answer")


def documents(echo: int, provider: str) -> list[Document]:
    """Routes guarded by openid-connect, all of one client but /elsewhere; /strict sends nobody away."""
    nodes = [{"host": "127.0.0.1", "port": echo, "weight": 1}]
    service = {"name": "s", "hosts": [HOST], "upstream": {"type": "roundrobin", "scheme": "http", "nodes": nodes}}
    client = {
        "client_id": "app",
        "client_secret": "app-secret",
        "discovery": f"{provider}/.well-known/openid-configuration",
        "scope": "openid email",
        "use_nonce": True,
        "use_pkce": True,
        "session": {"secret": "0123456789abcdef"},
    }
    routes: Mapping[str, Any] = {
        "app": client | {"set_refresh_token_header": True, "post_logout_redirect_uri": "http://bye.test/"},
        "other": client | {"access_token_in_authorization_header": True, "set_userinfo_header": False},
        "strict": client | {"unauth_action": "deny"},
        "elsewhere": client | {"client_id": "elsewhere"},
        "schema": client | {"claim_schema": {"required": ["nothing"]}},
    }
    return [
        Document("services", "s", None, service),
        *(Document("routes", name, "s", _route(name, plugin) | {"service_id": "s"}) for name, plugin in routes.items()),
    ]


def _route(name: str, plugin: Mapping[str, Any]) -> dict[str, Any]:
    logout = {"logout_path": f"/{name}/logout"}
    return {"name": name, "paths": [f"/{name}/*"], "plugins": {"openid-connect": {**plugin, **logout}}}


@dataclass
class Browser:
    """Keeps cookies, follows nothing by itself."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict[str, str])

    def get(self, path: str, **headers: str) -> Answer:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = send(self.port, {"path": path, "headers": headers | ({"Cookie": cookie} if cookie else {})}, HOST)
        for one in answer.of("set-cookie"):
            name, value = re.match("([^=]+)=([^;]*)", one).groups()  # pyright: ignore[reportOptionalMemberAccess]
            if "Max-Age=0" in one:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer

    def sign_in(self, path: str, user: str = "jane") -> Answer:
        """Go to `path`, sign in at the provider, come back; the answer to the provider's redirection."""
        away = self.get(path)
        assert away.status == 302, away
        return self.get(back_from(away, user))


def back_from(away: Answer, user: str = "jane") -> str:
    """Where the provider sends a browser back to once its user has signed in."""
    answer = httpx.post(away.of("location")[0], data={"sub": user})
    assert answer.status_code == 302, answer.text
    parts = urlsplit(answer.headers["location"])
    assert parts.netloc == HOST
    return f"{parts.path}?{parts.query}"


def saw(answer: Answer) -> Mapping[str, str]:
    """The headers that reached the upstream."""
    assert answer.status == 200, answer
    return json.loads(answer.body)["headers"]


def told(header: str) -> Any:
    return json.loads(base64.b64decode(header))


@pytest.fixture
async def browser(gateway: Gateway, provider: str) -> Browser:
    await gateway.serve(documents(gateway.upstreams.ports["echo"], provider))
    return Browser(gateway.port())


def test_a_browser_signs_in_stays_and_signs_out(browser: Browser, provider: str) -> None:
    back = browser.sign_in("/app/page?x=1")
    assert (back.status, back.of("location")) == (302, ["/app/page?x=1"])
    assert all("HttpOnly; SameSite=Lax" in one for one in back.of("set-cookie"))

    headers = saw(browser.get("/app/page?x=1", **{"X-Userinfo": "boss", "X-Access-Token": "forged"}))
    assert told(headers["x-userinfo"]) == {"sub": "jane", "email": "jane@example.org"}
    claims = told(headers["x-id-token"])
    assert (claims["sub"], claims["iss"], claims["aud"]) == ("jane", provider, ["app"])
    assert headers["x-refresh-token"]
    known = httpx.get(f"{provider}/userinfo", headers={"authorization": f"Bearer {headers['x-access-token']}"})
    assert known.json()["sub"] == "jane"

    headers = saw(browser.get("/other/", **{"X-Access-Token": "forged", "X-Refresh-Token": "forged"}))
    assert headers["authorization"].startswith("Bearer ")
    assert not headers.keys() & {"x-access-token", "x-refresh-token", "x-userinfo"}
    assert saw(browser.get("/strict/"))["x-access-token"]

    out = browser.get("/app/logout")
    there = parse_qs(urlsplit(out.of("location")[0]).query)
    assert out.status == 302
    assert there["post_logout_redirect_uri"] == ["http://bye.test/"]
    assert there["id_token_hint"][0].count(".") == 2
    assert browser.cookies == {}
    assert browser.get("/strict/").status == 401


def test_a_session_is_nothing_to_another_client_and_nothing_once_changed(browser: Browser) -> None:
    browser.sign_in("/app/")
    assert saw(browser.get("/app/"))
    assert Browser(browser.port, dict(browser.cookies)).get("/elsewhere/").status == 302
    assert Browser(browser.port, dict(browser.cookies)).get("/schema/").status == 401
    whole = browser.cookies["session"]
    for place in (2, 20, len(whole) // 2, len(whole) - 2):
        changed = whole[:place] + ("A" if whole[place] != "A" else "B") + whole[place + 1 :]
        assert Browser(browser.port, {**browser.cookies, "session": changed}).get("/strict/").status == 401, place
    for cut in ({"session": whole[:-4]}, {"session": "9." + whole[2:]}, {"session": whole + "AAAA"}, {"session": ""}):
        assert Browser(browser.port, {**browser.cookies, **cut}).get("/strict/").status == 401, cut


def test_an_answer_counts_only_in_the_browser_that_asked_and_once(browser: Browser) -> None:
    back = back_from(browser.get("/app/"))
    assert Browser(browser.port).get(back).status == 500
    stranger = Browser(browser.port)
    stranger.get("/app/")
    assert stranger.get(back).status == 500
    assert browser.get(re.sub("state=[^&]+", "state=other", back)).status == 500
    assert browser.get(back).status == 302
    assert browser.get(back).status == 500
    assert saw(browser.get("/app/"))


def test_nobody_is_sent_to_another_host_after_signing_in(browser: Browser) -> None:
    for path in ("//evil.test/x", "/\\evil.test/x", "/app//evil.test"):
        away = browser.get(path)
        if away.status == 302:
            assert urlsplit(browser.get(back_from(away)).of("location")[0]).netloc == ""


async def test_tokens_are_renewed_until_the_provider_refuses(browser: Browser, provider: str) -> None:
    other = Browser(browser.port)
    other.sign_in("/app/", "joe")
    assert saw(other.get("/app/"))
    await asyncio.to_thread(httpx.post, f"{provider}/users/joe/revoke-tokens")
    browser.sign_in("/app/")
    old = saw(browser.get("/app/"))["x-access-token"]
    before = dict(browser.cookies)
    await asyncio.sleep(LIFE)
    answers = await asyncio.gather(*(asyncio.to_thread(Browser(browser.port, dict(before)).get, "/app/") for _ in "12"))
    assert {saw(answer)["x-access-token"] for answer in answers} - {old} == {saw(answers[0])["x-access-token"]}
    fresh = saw(browser.get("/app/"))["x-access-token"]
    assert fresh != old
    assert browser.cookies != before
    assert saw(browser.get("/app/"))["x-access-token"] == fresh
    assert other.get("/strict/").status == 401
    assert other.get("/app/").status == 302


def test_who_is_known_passes_while_the_sign_in_process_is_gone_and_nobody_else(
    browser: Browser, gateway: Gateway
) -> None:
    browser.sign_in("/app/")
    assert saw(browser.get("/app/"))
    children = psutil.Process(gateway.node.process.pid).children(recursive=True)
    gateway.node.process.send_signal(signal.SIGSTOP)  # who would start it again
    try:
        next(child for child in children if "gatefleet.signin" in child.cmdline()).kill()
        assert saw(browser.get("/app/"))["x-access-token"]
        assert Browser(browser.port).get("/app/").status == 500
        assert Browser(browser.port, {"session": "1.AAAA"}).get("/strict/").status == 500
    finally:
        gateway.node.process.send_signal(signal.SIGCONT)
    until = time.monotonic() + 60
    while Browser(browser.port).get("/app/").status != 302:
        assert time.monotonic() < until
        time.sleep(0.1)
