"""A group's whole configuration as one document: resources below what owns them; and back into single resources."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from gatefleet.resources.accept import prepare, problems
from gatefleet.resources.kept import NONE_STORED, left_stars, restored
from gatefleet.resources.kinds import KINDS, Kind
from gatefleet.resources.messages import error_at
from gatefleet.resources.published import Document, Published
from gatefleet.resources.relations import misplaced, references
from gatefleet.resources.schema import with_defaults
from gatefleet.resources.secrets import masked
from gatefleet.resources.shape import ID_PATTERN

At = tuple[str | int, ...]
Name = tuple[str, str]
"""Kind and key of a document."""
ID: Final = re.compile(ID_PATTERN)
MAX_ID: Final = 256
SENTENCE: Final = re.compile(r'Error at "(/[^"]*)": (.*)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where in the document."""

    at: At
    error: str

    @property
    def pointer(self) -> str:
        """Where, as a JSON pointer."""
        return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in self.at)

    def __str__(self) -> str:
        return error_at(self.at, self.error)


@dataclass(slots=True)
class Declared:
    """What a document says: resources as they would be stored, where each stands, and which kinds it names."""

    documents: dict[Name, Document] = field(default_factory=dict[Name, Document])
    places: dict[Name, At] = field(default_factory=dict[Name, At])
    named: set[str] = field(default_factory=set[str])
    problems: list[Problem] = field(default_factory=list[Problem])

    def gone(self, held: Published) -> list[Document]:
        """What the group holds and the document does not: of kinds it names, and what these own."""
        return [
            document
            for path, kind in KINDS.items()
            if (kind.owner.kind if kind.owner else path) in self.named
            for key, document in held.all(path).items()
            if (path, key) not in self.documents
        ]


@dataclass(frozen=True, slots=True)
class _Owner:
    """What the resources below it need to know of their owner."""

    kind: str
    id: str
    name: str


def with_stars(document: Document) -> Mapping[str, Any]:
    """The body with stars for every secret."""
    return masked(document.kind, document.id, document.body)


def declare(
    documents: Iterable[Document], body_of: Callable[[Document], Mapping[str, Any]] = with_stars
) -> dict[str, Any]:
    """The document that says just these resources, sorted by name; `body_of` says what of a secret is told.

    It names every kind: those the group has nothing of are empty, and come last.
    """
    below: dict[tuple[str | None, str, str | None], list[Document]] = {}
    for document in documents:
        owner = KINDS[document.kind].owner
        below.setdefault((owner.kind if owner else None, document.kind, document.parent), []).append(document)

    def items(kind: Kind, owner: str | None, parent: str | None) -> list[dict[str, Any]]:
        found = below.get((owner, kind.path, parent), [])
        return [item(kind, document) for document in sorted(found, key=_by_name)]

    def item(kind: Kind, document: Document) -> dict[str, Any]:
        own = _shown(kind, document, body_of(document))
        children = {child.path: items(child, kind.path, document.id) for child in _children(kind)}
        return {**own, **{path: listed for path, listed in children.items() if listed}}

    whole: dict[str, Any] = {}
    for kind in _roots():
        if kind.key == "plugin":
            found = sorted(below.get((None, kind.path, None), []), key=_by_name)
            whole[kind.path] = {document.id: _conf(kind, document, body_of(document)) for document in found}
        else:
            whole[kind.path] = items(kind, None, None)
    return dict(sorted(whole.items(), key=lambda named: not named[1]))


def read(body: Mapping[str, Any], held: Published) -> Declared:
    """What the document says, with all that is wrong with its resources, each for itself.

    Where a secret belongs, `***` means the one that the resource of the same kind and id in `held` has in that place.
    """
    declared = Declared()
    roots = {kind.path: kind for kind in _roots()}
    for path, listed in body.items():
        kind = roots.get(path)
        if kind is None:
            known = ", ".join(roots)
            declared.problems.append(Problem((path,), f"there is no kind [{path}] here; known are {known}"))
            continue
        declared.named.add(path)
        if kind.key == "plugin":
            _read_map(declared, held, kind, listed)
        else:
            _read_list(declared, held, kind, listed, (path,), None)
    return declared


def misfits(declared: Declared, gone: Iterable[Document], after: Published) -> list[Problem]:
    """What does not fit together in the group as it would be: references to what is not there, a service's type."""
    found: list[Problem] = []
    for name, document in declared.documents.items():
        at = declared.places[name]
        for reference in references(document.kind, document.body):
            if after.get(reference.kind, reference.id) is None:
                singular = KINDS[reference.kind].singular.replace("_", " ")
                found.append(Problem((*at, *reference.at), f"{singular} [{reference.id}] not found"))
        owner = KINDS[document.kind].owner
        above = after.get(owner.kind, str(document.parent)) if owner else None
        wrong = misplaced(document, cast("str | None", above.body.get("type"))) if above else None
        if wrong:
            found.append(moved(wrong, at))
    return [*found, *_left_behind(declared, after), *_still_used(declared, gone, after)]


def _left_behind(declared: Declared, after: Published) -> Iterator[Problem]:
    """What the document does not name and cannot stay: it belongs to a service that becomes one of another type."""
    for path, kind in KINDS.items():
        if kind.owner is None:
            continue
        for key, document in after.all(path).items():
            owner = declared.documents.get((kind.owner.kind, str(document.parent)))
            if owner is None or (path, key) in declared.documents:
                continue
            if misplaced(document, cast("str | None", owner.body.get("type"))):
                said = f"{kind.singular.replace('_', ' ')} [{document.id}]"
                at = (*declared.places[owner.kind, owner.key], "type")
                yield Problem(at, f"{said} belongs to it and cannot be below a service of this type; prune it")


def _still_used(declared: Declared, gone: Iterable[Document], after: Published) -> Iterator[Problem]:
    """What is taken away although resources that the document does not name refer to it."""
    doomed = {(document.kind, document.id) for document in gone}
    if not doomed:
        return
    for path, kind in KINDS.items():
        for key, document in after.all(path).items():
            for reference in references(path, document.body):
                if (reference.kind, reference.id) in doomed and (path, key) not in declared.documents:
                    said = KINDS[reference.kind].singular.replace("_", " ")
                    using = f"{kind.singular.replace('_', ' ')} [{key}]"
                    yield Problem((reference.kind,), f"{said} [{reference.id}] cannot go: {using} is still using it")


def _read_map(declared: Declared, held: Published, kind: Kind, confs: Any) -> None:
    """Global rules and plugin metadata: plugin to configuration."""
    if not isinstance(confs, Mapping):
        declared.problems.append(Problem((kind.path,), "value must be an object"))
        return
    for plugin, conf in cast("Mapping[str, Any]", confs).items():
        at: At = (kind.path, plugin)
        if not isinstance(conf, Mapping):
            declared.problems.append(Problem(at, "value must be an object"))
            continue
        wrapped = "plugins" in kind.model.model_fields
        own = cast("Mapping[str, Any]", conf)
        body: Mapping[str, Any] = {"plugins": {plugin: own}} if wrapped else own
        _take(declared, held, Document(kind.path, plugin, None, body), at, ("plugins", plugin) if wrapped else ())


def _read_list(declared: Declared, held: Published, kind: Kind, listed: Any, at: At, owner: _Owner | None) -> None:
    if not isinstance(listed, list):
        declared.problems.append(Problem(at, "value must be an array"))
        return
    for index, item in enumerate(cast("list[Any]", listed)):
        spot: At = (*at, index)
        if isinstance(item, Mapping):
            _read_item(declared, held, kind, cast("Mapping[str, Any]", item), spot, owner)
        else:
            declared.problems.append(Problem(spot, "value must be an object"))


def _read_item(
    declared: Declared, held: Published, kind: Kind, item: Mapping[str, Any], at: At, owner: _Owner | None
) -> None:
    children = {child.path: child for child in _children(kind)}
    body = {key: part for key, part in item.items() if key not in children}
    found = _identify(kind, body, owner)
    if isinstance(found, Problem):
        declared.problems.append(Problem((*at, *found.at), found.error))
        found = f"unnamed-{len(declared.problems)}"
    if owner and kind.owner and kind.owner.field:
        if body.get(kind.owner.field, owner.id) != owner.id:
            declared.problems.append(Problem((*at, kind.owner.field), f"this is below {owner.kind} [{owner.id}]"))
        body[kind.owner.field] = owner.id
    _take(declared, held, Document(kind.path, found, owner.id if owner else None, body), at)
    for path, child in children.items():
        if item.get(path) is not None:
            below = _Owner(kind.singular, found, str(body.get("name") or found))
            _read_list(declared, held, child, item[path], (*at, path), below)


def _take(declared: Declared, held: Published, document: Document, at: At, inside: At = ()) -> None:
    """Check one resource and keep it. `inside`: what of its body stands at `at`, if not all of it."""
    name = (document.kind, document.key)
    if name in declared.places:
        first = Problem(declared.places[name], "").pointer
        declared.problems.append(Problem(at, f"[{document.key}] is named already at {first}"))
        return
    declared.places[name] = at
    kind = KINDS[document.kind]
    prepared = prepare(kind, document.id, restored(held.get(*name), document.body))
    wrong = [moved(sentence, at, inside) for sentence in problems(kind.path, document.id, prepared)]
    if not wrong:
        left = left_stars(kind.path, document.id, prepared)
        wrong = [Problem((*at, *path[len(inside) :]), NONE_STORED) for path in left]
    if wrong:
        declared.problems.extend(wrong)
        return
    accepted = with_defaults(kind.shape_of(prepared), prepared)
    declared.documents[name] = Document(document.kind, document.id, document.parent, accepted)


def _identify(kind: Kind, body: Mapping[str, Any], owner: _Owner | None) -> str | Problem:
    """The id an item gives, or the one its name makes: what API7's declarative client makes of it too."""
    field = "username" if kind.key == "username" else "id"
    given = body.get(field)
    if given is None:
        return Problem((field,), 'property "username" is missing') if field == "username" else _made(kind, body, owner)
    if not isinstance(given, str):
        return Problem((field,), "value must be a string")
    parts = given.split("/")
    if len(parts) != kind.id_path.count("/") + 1 or len(given) > MAX_ID or not all(map(ID.fullmatch, parts)):
        return Problem((field,), f'string doesn\'t match the regular expression "{ID_PATTERN}" (1 to {MAX_ID})')
    if kind.path == "upstreams" and owner and given == owner.id:
        return Problem((field,), f"upstream [{given}] is the service's own: give it as the service's field upstream")
    return given


def _made(kind: Kind, body: Mapping[str, Any], owner: _Owner | None) -> str | Problem:
    if kind.path == "ssls" and isinstance(snis := body.get("snis"), list):
        return _sha1(",".join(map(str, cast("list[Any]", snis))))
    if isinstance(name := body.get("name"), str):
        return _sha1(f"{owner.name}.{name}" if owner else name)
    return Problem(("id",), "give an id, or a name to make one of")


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def moved(sentence: str, at: At, inside: At = ()) -> Problem:
    """A problem of a resource's body as one of the whole document; `inside` is cut from where it points."""
    found = SENTENCE.fullmatch(sentence)
    if not found:
        return Problem(at, sentence)
    path: tuple[str, ...] = tuple(part.replace("~1", "/").replace("~0", "~") for part in found[1].split("/")[1:])
    return Problem((*at, *(path[len(inside) :] if path[: len(inside)] == inside else path)), found[2])


def _roots() -> Iterator[Kind]:
    return (kind for kind in KINDS.values() if kind.owner is None)


def _children(kind: Kind) -> Iterator[Kind]:
    return (child for child in KINDS.values() if child.owner and child.owner.kind == kind.path)


def _by_name(document: Document) -> tuple[str, str]:
    return (str(document.body.get("name") or document.id), document.id)


def _shown(kind: Kind, document: Document, body: Mapping[str, Any]) -> dict[str, Any]:
    """The resource as an item: fields in the order of its shape, without what its place says."""
    left_out = kind.owner.field if kind.owner else None
    order = {name: place for place, name in enumerate(kind.model.model_fields)}
    fields = sorted((key for key in body if key != left_out), key=lambda key: (order.get(key, len(order)), key))
    own = {} if kind.key == "username" else {"id": document.id}
    return {**own, **{key: body[key] for key in fields}}


def _conf(kind: Kind, document: Document, body: Mapping[str, Any]) -> Any:
    return body["plugins"][document.id] if "plugins" in kind.model.model_fields else dict(body)
