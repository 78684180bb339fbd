"""Routes of requests whose body has to be read before a route can be chosen: they answer and begin the request anew.

Envoy's matcher reads headers, and a stream's filters are those of the route that was chosen first. So a request that
could reach a route whose conditions ask for its body takes a route of ours before: our Lua answers the questions in
headers, and the native module makes Envoy begin the request anew, which chooses route and filters as for any other.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Final

from gatefleet import filters
from gatefleet.compile import bodies, tree
from gatefleet.compile import vars as conditions
from gatefleet.compile.emit import chains
from gatefleet.compile.wire import dump
from gatefleet.expressions import LIBRARIES
from gatefleet.plugin import Effect, Filter, Script
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.envoy.extensions.filters.http.filter_chain import v3 as filter_chain
from gatefleet.protos.xds.core import v3 as xds

ASKED: Final = "x-gf-asked"
"""Says which questions have been answered: others may be asked once a configuration has changed meanwhile."""
ANSWER: Final = """
function on.request(handle, conf)
  local found = conf.tree.found_at and handle:streamInfo():dynamicMetadata():get(conf.tree.found_at) or {}
  local answers = {}
  for place, condition in ipairs(conf.tree.of) do
    answers[place] = node_holds(handle, condition, found)
  end
  local headers = handle:headers()
  for place, name in ipairs(conf.names) do
    headers:remove(name)
    if answers[place] then
      headers:add(name, "1")
    end
  end
  unstage(handle, conf.tree)
  handle:headers():replace("x-gf-asked", conf.asked)
end
"""
TYPES: Final = "application/x-www-form-urlencoded|application/json|multipart/form-data|application/graphql"
QUERIED: Final = rf"(?is:[^?]*\?(?:.*&)?{''.join(f'(?:{char}|%{ord(char):x})' for char in 'query')}=.*)"
"""Paths with an argument `query`, however it is encoded."""
_OFF: Final = pack(route.FilterConfig(disabled=True))


def could_be_answered(questions: Sequence[str]) -> conditions.Predicate:
    """Requests whose body, or query, could say something about them."""
    typed = conditions.full_match("content-type", f"(?is:.*(?:{TYPES}).*)")
    if not any(map(bodies.asks_graphql, questions)):
        return typed
    queried = [conditions.equals(":method", "GET"), conditions.full_match(":path", QUERIED)]
    return conditions.any_of([typed, conditions.all_of(queried)])


def scripts(questions: Sequence[str]) -> dict[str, str]:
    """The Lua files that answering needs, by name."""
    return {one.name: one.source for one in _effects(questions) if isinstance(one, Script)} if questions else {}


def headers(questions: Sequence[str]) -> tuple[str, ...]:
    """Request headers of ours that go no further."""
    return (ASKED, *map(bodies.header_of, questions)) if questions else ()


def with_asking(candidates: Iterable[tree.Candidate], questions: Sequence[str]) -> list[tree.Candidate]:
    """The candidates and, before each that asks for bodies, one that answers all `questions` of the host."""
    if not questions:
        return list(candidates)
    unasked = conditions.none_of(conditions.equals(ASKED, _name(questions)))
    action = _action(questions)
    found: list[tree.Candidate] = []
    for one in candidates:
        if one.bodies:
            wanted = tree.condition([unasked, tree.predicate(one.reachable)])
            found.append(tree.Candidate(one.pattern, one.order, wanted, action))
        found.append(one)
    return found


def _name(questions: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(questions).encode()).hexdigest()[:12]


def _effects(questions: Sequence[str]) -> list[Effect]:
    asked = bodies.conditions(tuple(questions))
    names = [bodies.header_of(question) for question in questions]
    context = {"tree": asked.tree, "names": names, "asked": _name(questions)}
    return [*asked.before, *filters.lua(bodies.NAME, ANSWER, context, LIBRARIES), filters.native("begin-anew", b"")]


def _action(questions: Sequence[str]) -> bytes:
    """`OnMatch` bytes. Global rules run once, with the route that is chosen then; nothing gets past the last filter."""
    chain = [
        core.TypedExtensionConfig(name=bodies.NAME, typed_config=pack(one.config))
        for one in _effects(questions)
        if isinstance(one, Filter)
    ]
    slots = {
        chains.GLOBAL: _OFF,
        chains.GLOBAL_WHERE: _OFF,
        chains.ROUTE: pack(
            filter_chain.FilterChainConfigPerRoute(filter_chain=filter_chain.FilterChain(filters=chain))
        ),
    }
    message = route.Route(
        name="asking", match={"prefix": "/"}, direct_response={"status": 500}, typed_per_filter_config=slots
    )
    return tree.on_match(dump(xds.TypedExtensionConfig(name="route", typed_config=pack(message))))
