"""Secrets that answers hide behind stars, and what stars mean in a body that comes back: the secret that is stored."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from gatefleet.errors import Invalid
from gatefleet.resources.diff import MASK
from gatefleet.resources.messages import error_at
from gatefleet.resources.published import Document
from gatefleet.resources.secrets import Path, replaced, secret_paths, value_at

PRIVATE_KEYS: Final = frozenset({"client_key", "key", "keys"})
"""Fields of TLS that hold private keys."""
REFERENCES: Final = ("$secret://", "$env://")
"""How a text begins that only says where a secret is."""
OF_TLS: Final = frozenset({"services", "upstreams", "ssls", "certificates"})
WRITE_ONLY: Final = frozenset({"service_registries"})
"""Kinds whose secrets nobody needs to read."""


def hidden_paths(document: Document, secrets: Iterable[Path], *, clear: bool = False) -> tuple[Path, ...]:
    """Which of its secrets an answer hides. `clear`: only those that not even who may read secrets sees."""
    return tuple(
        path
        for path in secrets
        if not _refers(value_at(document.body, path)) and not (clear and _readable(document.kind, path))
    )


def concealed(document: Document, secrets: Iterable[Path], *, clear: bool = False) -> dict[str, Any]:
    """The body with stars for secrets; see hidden_paths."""
    return replaced(document.body, dict.fromkeys(hidden_paths(document, secrets, clear=clear), MASK))


def readable(document: Document) -> dict[str, Any]:
    """The body as who may read secrets sees it: private keys, and what nobody needs to read, stay stars."""
    return concealed(document, secret_paths(document.kind, document.id, document.body), clear=True)


def marked(document: Document) -> dict[str, Any]:
    """The body with stars for secrets that still tell one from the other: what a patch is applied to."""
    paths = hidden_paths(document, secret_paths(document.kind, document.id, document.body))
    return replaced(document.body, {path: _mark(number) for number, path in enumerate(paths)})


def restored(stored: Document | None, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body with stored secrets where it has stars in their place, and marks in the place of any of them."""
    if stored is None or not holds_stars(body):
        return body
    paths = secret_paths(stored.kind, stored.id, stored.body)
    marks = {_mark(number): value_at(stored.body, path) for number, path in enumerate(hidden_paths(stored, paths))}
    places = {_anywhere(path) for path in paths}
    kept = {
        path: value_at(stored.body, path) if said == MASK else marks[said]
        for path, said in _texts(body, ())
        if (said == MASK and path in paths) or (said in marks and _anywhere(path) in places)
    }
    return replaced(body, kept)


def left_stars(kind: str, id: str, body: Mapping[str, Any]) -> Iterator[Path]:  # noqa: A002 - the contract's word
    """Where an accepted body still has stars for secrets, because none is stored there."""
    if holds_stars(body):
        yield from (path for path in secret_paths(kind, id, body) if str(value_at(body, path)).startswith(MASK))


def refuse_left_stars(kind: str, id: str, body: Mapping[str, Any]) -> None:  # noqa: A002 - the contract's word
    """Invalid if stars are left where a secret belongs."""
    if errors := [error_at(path, NONE_STORED) for path in left_stars(kind, id, body)]:
        raise Invalid("; ".join(errors))


NONE_STORED: Final = f"[{MASK}] stands for a secret that is stored, and none is"


def holds_stars(node: Any) -> bool:
    """Whether any text in it begins with stars."""
    return any(True for _ in _texts(node, ()))


def _texts(node: Any, at: Path) -> Iterator[tuple[Path, str]]:
    """Texts that begin with stars, and where."""
    if isinstance(node, Mapping):
        for key, part in cast("Mapping[str, Any]", node).items():
            yield from _texts(part, (*at, key))
    elif isinstance(node, list):
        for number, part in enumerate(cast("list[Any]", node)):
            yield from _texts(part, (*at, number))
    elif isinstance(node, str) and node.startswith(MASK):
        yield at, node


def _mark(number: int) -> str:
    return f"{MASK}{number}"


def _anywhere(path: Sequence[str | int]) -> tuple[str | None, ...]:
    """A path without the numbers of items: what it leads to may stand elsewhere in its list by now."""
    return tuple(None if isinstance(part, int) else part for part in path)


def _readable(kind: str, path: Path) -> bool:
    private = kind in OF_TLS and "plugins" not in path and any(part in PRIVATE_KEYS for part in path)
    return kind not in WRITE_ONLY and not private


def _refers(value: Any) -> bool:
    """Whether the text only says where the secret is."""
    return isinstance(value, str) and value.startswith(REFERENCES)
