"""The node's small parts: bootstrap, bound listeners, certificates by name, options to join by."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from pydantic import ValidationError

from gatefleet import pki, sealed
from gatefleet.compile.compiler import Compiler
from gatefleet.envoy import binary
from gatefleet.errors import Invalid
from gatefleet.node import certificates, health, identity
from gatefleet.node.bootstrap import RunFiles, envoy_bootstrap
from gatefleet.node.rebind import rebind
from gatefleet.protos.envoy.config.listener import v3 as listener
from gatefleet.protos.envoy.extensions.transport_sockets.tls import v3 as tls
from gatefleet.settings import NodeSettings
from gatefleet.snapshot import CLUSTER, LISTENER, SECRET, snapshot_of
from tests.node.manager_twin import Twin

LISTENERS = Compiler().update([]).snapshot.of(LISTENER)


def test_envoy_takes_the_bootstrap(tmp_path: Path) -> None:
    binary.validate(envoy_bootstrap(RunFiles(tmp_path), "node-1"))


def test_the_bootstrap_opens_no_port(tmp_path: Path) -> None:
    assert b"port_value" not in str(envoy_bootstrap(RunFiles(tmp_path), "node-1")).encode()


@pytest.mark.parametrize(("name", "port"), [("http", 9180), ("https", 9543)])
def test_a_public_listener_is_bound_to_the_nodes_address_and_ports(name: str, port: int) -> None:
    bound = rebind(LISTENERS[name], bind="127.0.0.9", offset=100, directory=Path("/run/x"))
    address = listener.Listener.FromString(bound.body).address.socket_address
    assert (address.address, address.port_value) == ("127.0.0.9", port)


def test_the_probe_listens_in_the_run_directory_and_stays_private() -> None:
    bound = rebind(LISTENERS["probe"], bind="127.0.0.9", offset=100, directory=Path("/run/x"))
    pipe = listener.Listener.FromString(bound.body).address.pipe
    assert (pipe.path, pipe.mode) == ("/run/x/probe.sock", 0o600)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("a.com", "a.com"),
        ("A.com", "a.com"),
        ("x.b.com", "*.b.com"),
        ("y.x.b.com", None),
        ("b.com", None),
        ("exact.b.com", "exact.b.com"),
        ("c.com", None),
        ("", None),
    ],
)
def test_which_certificate_answers_for_a_server_name(asked: str, found: str | None) -> None:
    names = ("a.com", "*.b.com", "exact.b.com")
    held = snapshot_of(
        (SECRET, n, tls.Secret(name=n, tls_certificate={"password": {"inline_string": n}}).SerializeToString())
        for n in names
    )
    answer = certificates.resolve(held, SECRET, asked)
    secret = tls.Secret.FromString(answer.body) if answer else None
    assert (secret and secret.tls_certificate.password.inline_string) == found
    assert secret is None or secret.name == asked
    assert certificates.resolve(held, CLUSTER, asked) is None


def options(**given: object) -> NodeSettings:
    return NodeSettings.model_validate({"dp_manager": "https://127.0.0.1:7943", **given})


def test_a_node_without_any_way_to_join_says_what_to_give() -> None:
    with pytest.raises(Invalid, match="--token, --token-file, --bundle"):
        identity.choose(None, identity.invitation(options(), joined=False), datetime.now(UTC))


def test_certificate_files_belong_together(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="belong together"):
        identity.invitation(options(cert=tmp_path / "a"), joined=False)


def test_a_token_file_is_not_missed_once_joined(tmp_path: Path) -> None:
    gone = options(token_file=tmp_path / "token")
    assert identity.invitation(gone, joined=True).token is None
    with pytest.raises(Invalid, match="--token-file"):
        identity.invitation(gone, joined=False)


def test_which_identity_a_node_starts_with() -> None:
    now, ours, theirs = datetime.now(UTC), Twin(), Twin()
    stored = ours.bundle()
    of_ours, of_theirs = (pki.mint_token(t.ca.certificate).plain for t in (ours, theirs))
    expired = now + timedelta(days=4000)
    for offered, when, expected in (
        (identity.Invitation((), None, None), now, stored),
        (identity.Invitation((), of_ours, None), now, stored),
        (identity.Invitation((), of_theirs, None), now, None),
        (identity.Invitation((), of_ours, None), expired, stored),
        (identity.Invitation((), None, theirs.bundle()), now, "given"),
    ):
        chosen = identity.choose(stored, offered, when)
        assert chosen == (offered.given if expected == "given" else expected)


def test_a_bundle_issued_later_replaces_the_identity_and_no_key_is_lost() -> None:
    now, twin = datetime.now(UTC), Twin()
    stored = twin.bundle(age=timedelta(days=2))
    twin.before, twin.keys = [twin.keys], sealed.new_snapshot_keys()
    later, older = twin.bundle(), twin.bundle(age=timedelta(days=9))
    without = replace(
        later, verification_keys={k: v for k, v in later.verification_keys.items() if k == twin.keys.key_id}
    )
    assert identity.choose(stored, identity.Invitation((), None, older), now) == stored
    chosen = identity.choose(stored, identity.Invitation((), None, without), now)
    assert chosen
    assert chosen.certificate == later.certificate
    assert chosen.verification_keys == later.verification_keys
    assert chosen.keys_of_copies() == later.keys_of_copies()


def test_every_address_is_tried_those_of_the_options_first_and_no_mistake_of_others() -> None:
    told = replace(Twin().bundle(), dp_manager_addresses=("https://b", "[https://c]", "https://a"))
    assert identity.addresses_of(identity.Invitation(("https://a",), None, None), told) == ("https://a", "https://b")
    with pytest.raises(Invalid, match="must look like https://host:7943"):
        identity.addresses_of(identity.Invitation(("nowhere",), None, None), told)
    with pytest.raises(Invalid, match="--dp-manager"):
        identity.addresses_of(identity.Invitation((), "token", None), None)


@pytest.mark.parametrize("address", ["http://h:7943", "h:7943", "https://", ""])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(Invalid, match="must look like https://host:7943"):
        identity.target(address)


@pytest.mark.parametrize(
    ("address", "target"),
    [("https://h", "h:7943"), ("https://h:1", "h:1"), ("https://[::1]:5", "[::1]:5"), ("https://h:1/", "h:1")],
)
def test_where_an_address_leads(address: str, target: str) -> None:
    assert identity.target(address) == target


def test_labels_are_written_as_pairs_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert options().labels is None
    assert options(labels="env=canary,zone=eu/a").labels == {"env": "canary", "zone": "eu/a"}
    monkeypatch.setenv("GATEFLEET_NODE_LABELS", "env=prod")
    assert options().labels == {"env": "prod"}
    for wrong in ("env", "env=", "=a", "env=a b"):
        with pytest.raises(ValidationError, match="is no label: write key=value,key=value"):
            options(labels=wrong)


def test_hosts_that_are_not_healthy_are_read_with_their_flags_and_names() -> None:
    lines = [
        "s/u::default_priority::max_connections::1000000",
        "s/u::10.0.0.1:80::hostname::a.test",
        "s/u::10.0.0.1:80::health_flags::healthy",
        "s/u::10.0.0.2:80::hostname::b.test",
        "s/u::10.0.0.2:80::health_flags::/failed_active_hc/active_hc_timeout",
        "s/u::[::1]:8080::hostname::",
        "s/u::[::1]:8080::health_flags::/failed_outlier_check",
        "s/u::10.0.0.3:80::health_flags::/failed_active_hc/pending_active_hc",
        "s/u::10.0.0.4:80::health_flags::/something_new",
    ]
    timed_out = frozenset({"failed_active_hc", "active_hc_timeout"})
    assert health.read("\n".join(lines)) == {
        ("s/u", "10.0.0.2:80"): (timed_out, "b.test"),
        ("s/u", "[::1]:8080"): (frozenset({"failed_outlier_check"}), ""),
    }
    assert health.path(["a.b", "s/u"]) == "/clusters?filter=%5E%28a%5C.b%7Cs%2Fu%29%24"
