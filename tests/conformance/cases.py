"""The cases as they stand in `cases/**/*.yaml`: read, given hosts and ports, and turned into documents."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from gatefleet.compile.check import check
from gatefleet.errors import Invalid
from gatefleet.resources import KINDS, Document
from gatefleet.resources.accept import accept

ROOT: Final = Path(__file__).parent / "cases"
SHARED: Final = ("consumers", "credentials", "global_rules", "plugin_metadata")
"""Kinds that work on the whole group: a case that gives some has a group of its own."""
ORDER: Final = (
    "plugin_metadata",
    "protos",
    "consumers",
    "credentials",
    "services",
    "upstreams",
    "routes",
    "global_rules",
)
PLACE: Final = re.compile(r"\{(\w+)\}")
Json = dict[str, Any]


class _Loader(yaml.CSafeLoader):
    """YAML in which `on`, `off`, `yes` and `no` are words."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, found) for tag, found in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


@dataclass(frozen=True)
class Case:
    """One case: what is given, and what then happens or why it is refused."""

    file: str
    name: str
    given: Json
    shared: Json
    when: tuple[Json, ...]
    refused: tuple[str, ...]
    marked: bool
    problem: str = ""
    """Why its file cannot be read."""

    @property
    def id(self) -> str:
        return f"{self.file}: {self.name}"

    @property
    def slug(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:60].strip("-")

    @property
    def host(self) -> str:
        return f"{self.slug}.test"

    @property
    def group(self) -> str:
        """Cases of one group are served at once: those of a file, unless a case changes the whole group."""
        return f"{self.file}: {self.name}" if any(kind in self.given for kind in SHARED) else self.file


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case, those of one group behind each other."""
    found = [case for path in sorted(ROOT.rglob("*.yaml")) for case in _readable(path)]
    return tuple(sorted(found, key=lambda case: (case.file, case.group)))


def _readable(path: Path) -> list[Case]:
    """The cases of a file; one that says why where it cannot be read, so that the other files' are asked."""
    try:
        return list(_of(path))
    except (yaml.YAMLError, AssertionError, LookupError) as error:
        return [Case(str(path.relative_to(ROOT)), "unreadable", {}, {}, (), (), marked=False, problem=str(error))]


def _of(path: Path) -> Iterator[Case]:
    whole: Json = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 - a safe loader
    for case in whole["cases"]:
        unknown = case.keys() - {"name", "given", "when", "refused"}
        assert not unknown, f"{path}: {case.get('name')}: unknown {unknown}"
        yield Case(
            file=str(path.relative_to(ROOT)).removesuffix(".yaml"),
            name=case["name"],
            given=case.get("given") or {},
            shared=whole.get("given") or {},
            when=tuple(case.get("when") or ()),
            refused=tuple(case.get("refused") or ()),
            marked=bool(whole.get("mark_routes")),
        )


def documents(group: str, ports: Mapping[str, int]) -> list[Document]:
    """What the group holds, as the Admin API would store it; cases that it would refuse are left out."""
    cases = [case for case in all_cases() if case.group == group and not refusal(case, ports)]
    shared = list(_documents(cases[0].shared, cases[0], ports)) if cases else []
    return [*shared, *(document for case in cases for document in _documents(_complete(case), case, ports))]


def refusal(case: Case, ports: Mapping[str, int]) -> str:
    """What the Admin API says to a case that cannot be written; empty if it can."""
    try:
        list(_documents(case.shared, case, ports))
        list(_documents(_complete(case), case, ports))
    except (Invalid, ValidationError) as error:
        return str(error)
    return ""


def placed(value: Any, places: Mapping[str, Any]) -> Any:
    """`value` with `{name}` replaced by what `places` says; a text that is nothing else takes its type too."""
    if isinstance(value, dict):
        return {placed(key, places): placed(item, places) for key, item in value.items()}
    if isinstance(value, list):
        return [placed(item, places) for item in value]
    if not isinstance(value, str):
        return value
    if (found := PLACE.fullmatch(value)) and found[1] in places:
        return places[found[1]]
    return PLACE.sub(lambda m: str(places.get(m[1], m[0])), value)


def _complete(case: Case) -> Json:
    """The case's documents with what they leave out: a service on the case's host, an upstream, names."""
    given = {kind: dict(held) for kind, held in case.given.items()}
    services = given.setdefault("services", {"s": {}})
    for key, body in services.items():
        filled = {"name": key, "hosts": [case.host], **(body or {})}
        filled["upstream"] = {
            "nodes": [{"host": "127.0.0.1", "port": "{echo}", "weight": 1}],
            **filled.get("upstream", {}),
        }
        services[key] = filled
    for key, body in given.setdefault("routes", {"r": {}}).items():
        filled = {"name": key, "paths": ["/*"], "service_id": next(iter(services)), **(body or {})}
        if case.marked:
            mark = {"proxy-rewrite": {"headers": {"set": {"x-route": key}}}}
            filled["plugins"] = {**mark, **filled.get("plugins", {})}
        given["routes"][key] = filled
    return given


def _documents(given: Json, case: Case, ports: Mapping[str, int]) -> Iterator[Document]:
    unknown = given.keys() - set(ORDER)
    assert not unknown, f"{case.id}: unknown kinds {unknown}"
    services: dict[str, Json] = {}
    metadata: dict[str, Json] = {}
    protos = {key: body["content"] for held in (case.shared, given) for key, body in held.get("protos", {}).items()}
    for kind in ORDER:
        for key, body in placed(given.get(kind) or {}, {**ports, "host": case.host, "slug": case.slug}).items():
            document = _document(kind, key, body, case)
            service = services.get(document.parent or "") if kind in ("routes", "upstreams") else None
            if KINDS[kind].carried:
                check(document, service, metadata, protos)
            yield document
            if kind == "services":
                services[document.id] = dict(document.body)
            if kind == "plugin_metadata":
                metadata[document.id] = dict(document.body)


def _document(kind: str, key: str, body: Json, case: Case) -> Document:
    owner, own = KINDS[kind].owner, f"{case.slug}-{key}"
    match kind:
        case "routes":
            parent = f"{case.slug}-{body['service_id']}"
            return Document(kind, own, parent, accept(kind, own, {**body, "service_id": parent}))
        case "services":
            return Document(kind, own, None, accept(kind, own, body))
        case "upstreams" | "credentials":
            holder, _, name = key.rpartition("/")
            parent = f"{case.slug}-{holder}" if kind == "upstreams" else holder
            return Document(kind, name, parent, accept(kind, name, {"name": name, **body}))
        case _:
            assert owner is None
            named = {"name": key} if kind == "protos" else {}
            return Document(kind, key, None, accept(kind, key, {**named, **body}))
