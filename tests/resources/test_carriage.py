"""References to secrets kept outside: where they may stand, and that putting the secret in later changes nothing."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatefleet import filling, references
from gatefleet.compile.compiler import Compiler
from gatefleet.errors import Invalid
from gatefleet.resources import Document
from gatefleet.resources.accept import accept
from gatefleet.resources.secrets import claims, masked, secret_paths
from gatefleet.snapshot import CONSUMER, REFERENCE, ROUTES, SECRET

REF = "$secret://vault/team/jack/auth-key"
HASH = re.compile(rb"[0-9a-f]{16,32}")
"""Versions."""
PUBLIC = {"key": "k", "algorithm": "RS256"}


@pytest.mark.parametrize(
    "plugins",
    [
        {"key-auth": {"key": REF}},
        {"basic-auth": {"username": "jack", "password": "$ENV://JACK/password"}},
        {"jwt-auth": {"key": "k", "secret": REF}},
        {"jwt-auth": {"key": "k", "secret": REF, "base64_secret": True}},
        {"jwt-auth": {**PUBLIC, "public_key": "$secret://aws/a/prod/jack/public"}},
        {"hmac-auth": {"key_id": "k", "secret_key": "$secret://kubernetes/k/jack/key"}},
    ],
)
def test_every_credential_can_be_kept_outside(plugins: dict[str, Any]) -> None:
    assert accept("credentials", "c", {"plugins": plugins})["plugins"] == plugins
    assert accept("consumers", "jack", {"plugins": plugins})["plugins"] == plugins


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (
            "routes",
            {"plugins": {"limit-count": {"count": 1, "time_window": 1, "key": REF}}},
            r"limit-count.*\$secret://vault/team",
        ),
        ("routes", {"plugins": {"proxy-rewrite": {"regex_uri": [REF, "/x"]}}}, "/proxy-rewrite/regex_uri/0"),
        ("routes", {"plugins": {"ip-restriction": {"whitelist": [REF]}}}, "/ip-restriction/whitelist/0"),
        ("plugin_metadata", {"log_format": {"a": REF}}, "/log_format/a"),
        ("credentials", {"plugins": {"key-auth": {"key": "$secret://vault/team"}}}, "is incomplete"),
        ("credentials", {"plugins": {"key-auth": {"key": "$secret://gcp/x/y/z"}}}, "names none of vault"),
        ("credentials", {"plugins": {"key-auth": {"key": "$env://GATEFLEET_NODE_TOKEN"}}}, "the node's own"),
        ("credentials", {"plugins": {"key-auth": {"key": "$secret://vault/t/../k"}}}, "dotted"),
        ("ssls", {"snis": ["a.test"], "cert": "$env://", "key": REF}, 'Error at "/cert"'),
    ],
)
def test_elsewhere_references_are_refused_by_field(kind: str, body: dict[str, Any], said: str) -> None:
    key = "file-logger" if kind == "plugin_metadata" else "x"
    with pytest.raises(Invalid, match=said):
        accept(kind, key, body if kind != "routes" else {"name": "r", "service_id": "s", "paths": ["/"], **body})


def test_references_are_no_secrets_and_claim_what_they_stand_for() -> None:
    body = {"plugins": {"basic-auth": {"username": "jack", "password": REF}}}
    assert secret_paths("credentials", "c", body) == ()
    assert masked("credentials", "c", body) == body
    key = {"plugins": {"key-auth": {"key": REF}}}
    other = {"plugins": {"key-auth": {"key": f"{REF}2"}}}
    assert claims("credentials", key) == claims("consumers", key) != claims("credentials", other)
    ssl = {"snis": ["a.test"], "cert": REF, "key": "$env://KEY"}
    assert accept("ssls", "s", ssl)["key"] == "$env://KEY"
    provider = {"uri": "http://v", "prefix": "p", "token": "$env://VAULT"}
    assert secret_paths("secret_providers", "vault/x", provider) == ()


def documents(secret: str, password: str, certificate: str) -> list[Document]:
    plugins = {"csrf": {"key": secret}}
    return [
        Document("services", "s", None, {"name": "s", "upstream": {"nodes": []}}),
        Document("routes", "r", "s", {"name": "r", "paths": ["/a"], "plugins": plugins}),
        Document("consumers", "jack", None, {"username": "jack", "plugins": {"csrf": {"key": secret, "expires": 5}}}),
        Document("credentials", "c", "jack", {"plugins": {"basic-auth": {"username": "j", "password": password}}}),
        Document("global_rules", "csrf", None, {"plugins": {"csrf": {"key": secret, "name": "x"}}}),
        Document("ssls", "a", None, {"snis": ["a.test"], "cert": certificate, "key": certificate}),
    ]


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=20)


@settings(max_examples=25, deadline=None)
@given(texts, texts, texts)
def test_what_is_filled_is_what_would_have_been_compiled(secret: str, password: str, certificate: str) -> None:
    names = (REF, "$env://B/c", "$env://C")
    values = dict(zip(map(references.token, names), (secret, password, certificate), strict=True))
    made, direct = Compiler().update(documents(*names)), Compiler().update(documents(secret, password, certificate))
    assert not made.problems
    assert sorted(made.snapshot.of(REFERENCE)) == sorted(values)
    for kind in (ROUTES, SECRET):
        for name, found in made.snapshot.of(kind).items():
            filled = filling.fill(kind, found.body, values)
            assert (filled.missing, filled.blocked) == (frozenset(), False)
            assert not filling.tokens_in(filled.body)
            plain = filling.fill(kind, direct.snapshot.of(kind)[name].body, {}).body
            assert HASH.sub(b"", filled.body) == HASH.sub(b"", plain)


def test_without_its_secret_only_what_needs_it_answers_503() -> None:
    made = Compiler().update(documents(REF, "p", "c" * 200)).snapshot
    (name, found), *_ = made.of(ROUTES).items()
    filled = filling.fill(ROUTES, found.body, {})
    assert (filled.missing, filled.blocked) == (frozenset({references.token(REF)}), False)
    assert filled.body.count(filling.REFUSAL.encode()) == 2, name
    assert not filling.tokens_in(filled.body)
    ssl = Compiler().update(documents("s", "p", REF)).snapshot.of(SECRET)["a.test"]
    assert filling.fill(SECRET, ssl.body, {}).blocked


def test_references_follow_documents_and_providers() -> None:
    compiler = Compiler()
    made = compiler.update(documents(REF, "$env://B", "c"))
    provider = Document("secret_providers", "vault/team", None, {"uri": "http://v", "prefix": "p", "token": "t"})
    with_provider = compiler.update([provider]).snapshot.of(REFERENCE)
    token = references.token(REF)
    assert references.Wanted.from_bytes(made.snapshot.of(REFERENCE)[token].body).config is None
    assert references.Wanted.from_bytes(with_provider[token].body).config == provider.body
    gone = compiler.update(documents("plain", "plain", "c")).snapshot
    assert not gone.of(REFERENCE)
    assert gone.of(CONSUMER) == Compiler().update(documents("plain", "plain", "c")).snapshot.of(CONSUMER)
