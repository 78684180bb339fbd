"""What a group's documents become: the snapshot of each case, and Envoy's word that it takes it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from goldens import Golden, beside, case_id, cases, dump, plain, read
from google.protobuf import message_factory

from gatefleet import snapshot
from gatefleet.compile.compiler import Compiled, Compiler
from gatefleet.protos import POOL
from gatefleet.protos.envoy.config.listener.v3 import Listener
from gatefleet.resources import KINDS, Document
from gatefleet.snapshot import Entry, entry


def documents(case: Path) -> Iterator[Document]:
    for kind, found in read(case).items():
        for key, body in found.items():
            owner = KINDS[kind].owner
            parent = (body[owner.field] if owner.field else key.partition("/")[0]) if owner else None
            yield Document(kind, key.rpartition("/")[2] if owner and not owner.field else key, parent, body)


def readable(type_url: str, body: bytes) -> Any:
    if type_url == snapshot.SCRIPT:
        return "Lua"
    if type_url.startswith(snapshot.OWN):
        return repr(msgspec.msgpack.decode(body))
    name = type_url.rpartition("/")[2]
    message = message_factory.GetMessageClass(POOL.FindMessageTypeByName(name)).FromString(body)
    return plain(message)


def shown(compiled: Compiled) -> str:
    kept = dict(compiled.snapshot.entries)
    kept[snapshot.LISTENER] = {n: own for n, e in kept[snapshot.LISTENER].items() if (own := _own_part(n, e))}
    readables = {t: {n: readable(t, e.body) for n, e in found.items()} for t, found in kept.items() if found}
    resources = {t.rpartition(".")[2]: found for t, found in readables.items()}
    scripts = resources.pop("Script", None)
    return dump({**resources, "problems": dict(compiled.problems), "scripts": len(scripts or ())})


def _own_part(name: str, listener: Entry) -> Entry | None:
    """What a group's documents say of a listener: the chains of TLS without what is the same in every group."""
    if name.startswith(snapshot.STREAM_LISTENER):
        return listener
    message = Listener.FromString(listener.body)
    if name != "https" or len(message.filter_chains) == 1:
        return None
    for chain in message.filter_chains:
        del chain.filters[:]
    own = Listener(filter_chains=message.filter_chains, filter_chain_matcher=message.filter_chain_matcher)
    return entry(own.SerializeToString(deterministic=True))


@pytest.mark.parametrize("case", cases("compile"), ids=case_id)
def test_a_groups_documents_become_these_resources(case: Path, golden: Golden) -> None:
    golden(beside(case, ".xds.yaml"), shown(Compiler().update(documents(case))))


def test_the_listeners_are_these(golden: Golden) -> None:
    listeners = Compiler().update([]).snapshot.of(snapshot.LISTENER)
    golden(
        Path(__file__).parent / "compile" / "listeners.xds.yaml",
        dump({name: readable(snapshot.LISTENER, entry.body) for name, entry in listeners.items()}),
    )
