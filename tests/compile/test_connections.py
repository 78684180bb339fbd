"""Laws of ports and server names: incremental equals full, every name leads somewhere, no guarded host stands open."""

from collections.abc import Iterator

from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from gatefleet import snapshot
from gatefleet.compile.compiler import Compiled, Compiler
from gatefleet.compile.emit.streams import DENIED
from gatefleet.protos.envoy.config.listener.v3 import Listener
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.google import protobuf as wkt
from gatefleet.resources import Document
from gatefleet.snapshot import Snapshot
from tests.compile.groups import unique
from tests.e2e.certificates import authority

CA = authority().cert
NAMES = ("a.test", "b.test", "x.wild.test", "*.wild.test", "y.x.wild.test", "*.x.wild.test")
HOSTS = ("a.test", "b.test", "c.test", "x.wild.test", "w.wild.test", "y.x.wild.test", "z.x.wild.test")
CLIENTS: tuple[dict[str, object], ...] = ({}, {}, {"client": {"ca": CA}}, {"ssl_protocols": ["TLSv1.3"]})

ids = st.sampled_from([f"n{n}" for n in range(3)])
addresses = st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "192.0.2.1", "2001:db8::/32"])


def services() -> st.SearchStrategy[Document]:
    """`n2` is one of datagrams: its routes have no server names."""

    def service(name: str, scheme: str, status: int) -> Document:
        nodes = [{"host": "127.0.0.1", "port": 1, "weight": 1}]
        upstream = {"scheme": "udp" if name == "n2" else scheme, "nodes": nodes}
        return Document(
            "services", name, None, {"name": name, "type": "stream", "upstream": upstream, "status": status}
        )

    return st.builds(service, ids, st.sampled_from(["tcp", "tls"]), st.sampled_from([1, 1, 0]))


def stream_routes() -> st.SearchStrategy[Document]:
    body = st.fixed_dictionaries(
        {"name": ids},
        optional={
            "server_port": st.sampled_from([5000, 5001]),
            "remote_addr": addresses,
            "server_addr": addresses,
            "plugins": st.sampled_from([{}, {"ip-restriction": {"blacklist": ["10.0.0.1"]}}]),
        },
    )
    named = st.fixed_dictionaries({"name": ids, "server_port": st.just(5000), "sni": st.sampled_from(NAMES)})
    keys = st.sampled_from([f"r{n}" for n in range(5)])

    def stream_route(key: str, of: str, found: dict[str, object]) -> Document:
        own = {name: value for name, value in found.items() if of != "n2" or name != "sni"}
        return Document("stream_routes", key, of, own)

    return st.builds(stream_route, keys, ids, st.one_of(body, named))


def ssls() -> st.SearchStrategy[Document]:
    def ssl(key: str, names: list[str], more: dict[str, object]) -> Document:
        return Document("ssls", key, None, {"snis": names, "cert": "cert", "key": "key", **more})

    return st.builds(
        ssl,
        st.sampled_from([f"c{n}" for n in range(4)]),
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True),
        st.sampled_from(CLIENTS),
    )


changes = st.lists(st.one_of(services(), stream_routes(), stream_routes(), ssls()), max_size=8).map(unique)


@given(st.lists(changes, min_size=1, max_size=4), st.data())
@settings(max_examples=80, deadline=None)
def test_ports_and_names_changed_one_by_one_are_what_a_full_compile_makes_of_them(
    steps: list[list[Document]], data: st.DataObject
) -> None:
    compiler, held = Compiler(), dict[tuple[str, str], Document]()
    compiled = compiler.update([])
    for step in steps:
        gone = data.draw(st.lists(st.sampled_from(sorted(held)), max_size=3, unique=True)) if held else []
        gone = [key for key in gone if key not in {(d.kind, d.key) for d in step}]
        held = {key: d for key, d in held.items() if key not in gone} | {(d.kind, d.key): d for d in step}
        compiled = compiler.update(step, gone)
    whole = Compiler().update(held.values())
    assert compiled.snapshot == whole.snapshot
    assert compiled.problems == whole.problems


@given(changes)
@settings(max_examples=80, deadline=None)
def test_every_name_a_listener_says_is_there(documents: list[Document]) -> None:
    held = Compiler().update(documents).snapshot
    for name, entry in held.of(snapshot.LISTENER).items():
        listener = Listener.FromString(entry.body)
        discovered = [f for f in listener.listener_filters if f.HasField("config_discovery")]
        for chain in listener.filter_chains:
            discovered += [f for f in chain.filters if f.HasField("config_discovery")]  # type: ignore[misc]
        assert {f.name for f in discovered} <= held.of(snapshot.EXTENSION).keys()
        chains = {chain.name for chain in listener.filter_chains}
        assert set(_chains_named(listener.filter_chain_matcher)) <= {*chains, DENIED}, name


@given(changes)
@settings(max_examples=120, deadline=None)
def test_no_host_that_wants_certificates_stands_open(documents: list[Document]) -> None:
    compiled = Compiler().update(documents)
    for host in HOSTS:
        if name := _nearest(
            documents, host
        ):  # no connection is for other hosts, so nothing is lost if they are guarded
            assert _guarded(compiled, host) == _wants_certificate(documents, name), host


def _nearest(documents: list[Document], host: str) -> str | None:
    """The server name whose certificate is shown for `host`."""
    claimed = {name for d in documents if d.kind == "ssls" for name in d.body["snis"]}
    return next((name for name in (host, f"*.{host.partition('.')[2]}") if name in claimed), None)


def _wants_certificate(documents: list[Document], name: str) -> bool:
    return any(d.kind == "ssls" and name in d.body["snis"] and "client" in d.body for d in documents)


def _guarded(compiled: Compiled, host: str) -> bool:
    scope = _scope_of(compiled.snapshot, host)
    tables = compiled.snapshot.of(snapshot.ROUTES)[f"{snapshot.ROUTES_OF}{scope}"].body
    root = route.RouteConfiguration.FromString(tables).virtual_hosts[0].matcher
    return len(root.on_no_match.matcher.matcher_list.matchers) == 1


def _scope_of(held: Snapshot, host: str) -> str:
    """Where the native module sends a host: itself, the longest wildcard, any host."""
    labels = host.split(".")
    names = [host, *(f"*.{'.'.join(labels[n:])}" for n in range(1, len(labels))), "*"]
    return next(name for name in names if name in held.of(snapshot.HOST))


def _chains_named(message: Message) -> Iterator[str]:
    """Every chain that a matcher may lead to."""
    for field, value in message.ListFields():
        if field.name == "action":
            yield wkt.StringValue.FromString(value.typed_config.value).value
        elif field.message_type is not None:
            parts = value.values() if field.message_type.GetOptions().map_entry else value
            repeated = parts if field.is_repeated else [value]
            for part in repeated:
                if isinstance(part, Message):
                    yield from _chains_named(part)
