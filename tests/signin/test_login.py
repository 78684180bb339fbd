"""What an OpenID provider says is believed only as far as it is signed, for us, now, and an answer to our question."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from gatefleet.errors import Invalid, Unreachable
from gatefleet.outbound import Outbound
from gatefleet.signin import session
from gatefleet.signin.login import Login
from gatefleet.signin.provider import Providers
from gatefleet.signin.questions import Client, Decision, Request, SessionQuestion
from gatefleet.signin.session import Pending, Session

pytestmark = pytest.mark.anyio
GROUP = b"k" * 32
OURS, FOREIGN, CURVE = RSAKey.generate_key(2048), RSAKey.generate_key(2048), ECKey.generate_key("P-256")
ANY = ["RS256", "ES256", "HS256", "none", "PS256"]


@dataclass
class Provider:
    """A stand-in provider: it gives every code the same token endpoint answer and notes what it was asked."""

    port: int = 0
    claims: dict[str, Any] = field(default_factory=dict[str, Any])
    """More claims of the ID token; None takes one away."""
    signing: tuple[str, RSAKey | ECKey | OctKey | None, str | None] = ("RS256", OURS, "ours")
    answer: dict[str, Any] = field(default_factory=dict[str, Any])
    user: dict[str, Any] = field(default_factory=lambda: {"sub": "jane"})
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list[Any])
    nonce: str = ""
    broken: bool = False

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> dict[str, Any]:
        ends = {name: f"{self.issuer}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
        ends |= {name: f"{self.issuer}/{name}" for name in ("userinfo_endpoint", "revocation_endpoint")}
        match path:
            case "/discovery":
                return {"issuer": self.issuer, **ends}
            case "/jwks_uri":
                keys = [
                    {**OURS.as_dict(private=False), "kid": "ours"},
                    {**CURVE.as_dict(private=False), "kid": "curve"},
                ]
                return {"keys": keys}
            case _:
                return self.user

    def token(self) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "jane", "aud": "app", "exp": now + 60, "iat": now, "nonce": self.nonce}
        claims = {name: value for name, value in (claims | self.claims).items() if value is not None}
        algorithm, key, kid = self.signing
        header = {"alg": algorithm, **({"kid": kid} if kid else {})}
        if key is None:
            parts = (json.dumps(header), json.dumps(claims))
            signed = ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts) + "."
        else:
            signed = jwt.encode(header, claims, key, algorithms=ANY)
        told = {"access_token": "at", "refresh_token": "rt", "expires_in": 60, "id_token": signed} | self.answer
        return {name: value for name, value in told.items() if value is not None}


class _Server(ThreadingHTTPServer):
    provider: Provider
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._send(200, self.server.provider.get(self.path))

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        self.server.provider.asked.append((self.path, form, {k.lower(): v for k, v in self.headers.items()}))
        broken = self.server.provider.broken
        self._send(400 if broken else 200, {"error": "invalid_grant"} if broken else self.server.provider.token())

    def _send(self, status: int, said: dict[str, Any]) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.provider = Provider(server.server_address[1])
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server.provider
        server.shutdown()


@pytest.fixture
def login() -> Login:
    return Login(Providers(), GROUP)


def client(provider: Provider, **more: Any) -> Client:
    common = {"client_id": "app", "client_secret": "s" * 32, "discovery": f"{provider.issuer}/discovery"}
    return Client(**{**common, "use_nonce": True, **more})


async def ask(login: Login, client: Client, target: str, cookie: str = "") -> Decision:
    return await login.decide(SessionQuestion(client, Request("http", "app.test", target, cookie)))


def cookie_of(decision: Decision) -> str:
    return "; ".join(one.partition(";")[0] for one in decision.cookies)


async def journey(login: Login, provider: Provider, client: Client) -> tuple[Decision, dict[str, str]]:
    """Away and back: the last answer, and what the provider's sign-in page was told."""
    away = await ask(login, client, "/x")
    told = {name: values[0] for name, values in parse_qs(urlsplit(away.location).query).items()}
    provider.nonce = told.get("nonce", "")
    return await ask(login, client, f"/x/.apisix/redirect?code=c&state={told['state']}", cookie_of(away)), told


async def test_a_code_is_exchanged_with_proof_that_it_was_us_who_asked(login: Login, provider: Provider) -> None:
    back, told = await journey(login, provider, client(provider, use_pkce=True))
    assert (back.status, back.location) == (302, "/x")
    path, form, headers = provider.asked[0]
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == told["code_challenge"]
    assert (path, form["grant_type"], form["redirect_uri"]) == (
        "/token_endpoint",
        "authorization_code",
        told["redirect_uri"],
    )
    assert base64.b64decode(headers["authorization"].split()[1]).decode() == f"app:{'s' * 32}"
    passed = await ask(login, client(provider), "/x", cookie_of(back))
    assert (passed.status, passed.access_token, passed.refresh_token) == (0, "at", "rt")
    assert time.time() + 55 < passed.until < time.time() + 61


WRONG: dict[str, dict[str, Any]] = {
    "another issuer": {"claims": {"iss": "http://evil.test"}},
    "another audience": {"claims": {"aud": "other"}},
    "several audiences, made for another": {"claims": {"aud": ["app", "other"], "azp": "other"}},
    "expired": {"claims": {"exp": 1600000000}},
    "without expiry": {"claims": {"exp": None}},
    "from the future": {"claims": {"iat": 4102444800}},
    "not yet valid": {"claims": {"nbf": 4102444800}},
    "without subject": {"claims": {"sub": None}},
    "another nonce": {"claims": {"nonce": "replayed"}},
    "without nonce": {"claims": {"nonce": None}},
    "signed by a stranger": {"signing": ("RS256", FOREIGN, "ours")},
    "signed by an unknown key": {"signing": ("RS256", FOREIGN, "foreign")},
    "not signed": {"signing": ("none", None, None)},
    "signed with another secret": {"signing": ("HS256", OctKey.import_key("x" * 32), None)},
    "no token at all": {"answer": {"id_token": None}},
    "no token": {"answer": {"id_token": "nonsense"}},
}


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("name", WRONG)
async def test_an_id_token_that_does_not_count_signs_nobody_in(login: Login, provider: Provider, name: str) -> None:
    for attribute, value in WRONG[name].items():
        setattr(provider, attribute, value)
    back, _ = await journey(login, provider, client(provider))
    assert (back.status, back.cookies) == (500, ())


async def test_id_tokens_are_taken_in_every_way_that_is_configured(login: Login, provider: Provider) -> None:
    async def status(**more: Any) -> int:
        return (await journey(login, provider, client(provider, **more)))[0].status

    provider.signing = ("ES256", CURVE, "curve")
    assert await status() == 302
    assert await status(token_signing_alg_values_expected="RS256") == 500
    provider.signing = ("HS256", OctKey.import_key("s" * 32), None)
    assert await status() == 302
    provider.signing = ("none", None, None)
    assert await status(accept_none_alg=True) == 302


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_jwt", "private_key_jwt"])
async def test_the_gateway_says_who_it_is_as_configured(login: Login, provider: Provider, method: str) -> None:
    pem = OURS.as_pem(private=True).decode()
    asking = client(provider, token_endpoint_auth_method=method, client_rsa_private_key=pem)
    back, _ = await journey(login, provider, asking)
    assert back.status == 302
    _, form, headers = provider.asked[0]
    assert "authorization" not in headers
    assert form["client_id"] == "app"
    if method == "client_secret_post":
        assert form["client_secret"] == "s" * 32
    else:
        key = OURS if method == "private_key_jwt" else OctKey.import_key("s" * 32)
        claims = jwt.decode(form["client_assertion"], key, algorithms=["RS256", "HS256"]).claims
        assert (claims["sub"], claims["aud"]) == ("app", f"{provider.issuer}/token_endpoint")


async def test_what_is_told_of_another_user_is_not_believed(login: Login, provider: Provider) -> None:
    provider.user = {"sub": "boss"}
    back, _ = await journey(login, provider, client(provider))
    assert (await ask(login, client(provider), "/x", cookie_of(back))).user == ""


async def test_a_session_ends_with_its_refresh_token(login: Login, provider: Provider) -> None:
    provider.answer = {"expires_in": 0}
    asking = client(provider, unauth_action="deny")
    back, _ = await journey(login, provider, client(provider))
    provider.answer = {"access_token": "at2", "refresh_token": None}
    renewed = await ask(login, asking, "/x", cookie_of(back))
    assert (renewed.status, renewed.access_token, renewed.refresh_token, renewed.until) == (0, "at2", "rt", 0)
    provider.answer, provider.broken = {"expires_in": 0}, True
    known = session.opened(asking, GROUP, cookie_of(back), time.time())
    spent = session.cookies(asking, GROUP, Session(**{**_fields(known), "refresh_token": "rt3"}), "", secure=False)
    assert (await ask(login, asking, "/x", "; ".join(one.partition(";")[0] for one in spent))).status == 401


async def test_a_session_is_refreshed_silently_and_asks_where_that_fails(login: Login, provider: Provider) -> None:
    asking = client(provider, refresh_session_interval=60)
    back, _ = await journey(login, provider, asking)
    known = session.opened(asking, GROUP, cookie_of(back), time.time())
    old = session.cookies(asking, GROUP, Session(**{**_fields(known), "authenticated": 1}), "", secure=False)
    away = await ask(login, asking, "/y", "; ".join(one.partition(";")[0] for one in old))
    told = parse_qs(urlsplit(away.location).query)
    assert told["prompt"] == ["none"]
    path = f"/y/.apisix/redirect?error=login_required&state={told['state'][0]}"
    again = await ask(login, asking, path, cookie_of(away))
    assert again.status == 302
    assert "prompt" not in parse_qs(urlsplit(again.location).query)


async def test_tokens_are_revoked_at_sign_out_if_that_is_wanted(login: Login, provider: Provider) -> None:
    back, _ = await journey(login, provider, client(provider))
    provider.asked.clear()
    out = await ask(login, client(provider, revoke_tokens_on_logout=True), "/logout", cookie_of(back))
    assert (out.status, out.cookies[0].partition(";")[0]) == (200, "session=")
    assert [form["token"] for _, form, _ in provider.asked] == ["rt", "at"]


def test_sessions_of_any_size_come_back_or_are_refused() -> None:
    asking = Client(client_id="a", discovery="http://p.test", session_secret="0123456789abcdef")
    for size in (0, 3000, 9000, 15000):
        held = Session(issued=int(time.time()), authenticated=1, access_token="x" * size)
        made = session.cookies(asking, GROUP, held, "session=1.a; session_2=b; session_8=c; other=d", secure=True)
        assert all(len(one) < 4096 for one in made)
        cookie = "; ".join(one.partition(";")[0] for one in made if "Max-Age=0" not in one)
        assert session.opened(asking, b"", cookie, time.time()) == held
        assert session.opened(asking, b"", cookie, time.time() + 3600) == Session()
        stale = {one.partition("=")[0] for one in made if "Max-Age=0" in one}
        assert "session_8" in stale
        assert "other" not in stale
    with pytest.raises(Invalid, match="session_contents"):
        session.cookies(asking, GROUP, Session(access_token="x" * 40000), "", secure=True)


def test_nodes_of_one_group_share_sessions_and_others_do_not() -> None:
    plain = Client(client_id="a", discovery="http://p.test")
    held = Session(issued=int(time.time()), pending={"s": Pending("http://x/", "/")})
    cookie = session.cookies(plain, GROUP, held, "", secure=False)[0].partition(";")[0]
    assert session.opened(plain, GROUP, cookie, time.time()) == held
    assert session.opened(plain, b"o" * 32, cookie, time.time()) == Session()


def _fields(known: Session) -> dict[str, Any]:
    return {name: getattr(known, name) for name in known.__struct_fields__}


async def test_a_provider_is_not_asked_where_we_must_not_connect_to(provider: Provider) -> None:
    inside = Outbound(["127.0.0.0/8"])
    with pytest.raises(Unreachable, match="must not be connected to"):
        await Providers(inside).metadata(client(provider))
    with pytest.raises(Unreachable, match="must not be connected to"):
        await Providers(inside).call(client(provider), f"{provider.issuer}/token", {}, "client_secret_post")
    assert not provider.asked
