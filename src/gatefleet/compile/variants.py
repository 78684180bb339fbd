"""A group compiled once for all its nodes and, while a ring runs, once more for the ring's members."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gatefleet.compile.compiler import Compiled, Compiler
from gatefleet.compile.fork import fork
from gatefleet.resources import Document
from gatefleet.resources.rings import Key, Overlay


@dataclass(frozen=True, slots=True)
class Variation:
    """What the members of a ring serve and what everybody else does; no ring: everybody serves `main`."""

    main: Compiled
    ring: Compiled | None = None


class Variants:
    """The compilers of one group. Not safe for concurrent use; same documents and overlay, same bytes."""

    def __init__(self) -> None:
        self._main = Compiler()
        self._ring: Compiler | None = None
        self._overlay: Overlay | None = None

    def update(
        self, upserts: Iterable[Document], deletes: Iterable[Key] = (), overlay: Overlay | None = None
    ) -> Variation:
        """Compile after these changes of the group's documents; `overlay` is that of the ring that runs now, if any.

        While a ring runs its services count their requests in both variants; what else the overlay holds, main never
        sees.
        """
        changed, gone = list(upserts), list(deletes)
        main = self._main.update(self._for_main(changed, gone, overlay), gone)
        goes_on = self._ring if overlay == self._overlay else None
        self._overlay = overlay
        if overlay is None:
            self._ring = None
            return Variation(main)
        if goes_on:
            return Variation(main, goes_on.update(*_elsewhere(overlay, changed, gone)))
        self._ring = fork(self._main)
        return Variation(main, self._ring.update(map(overlay.counted, overlay.upserts), overlay.deletes))

    def _for_main(self, changed: Sequence[Document], gone: Sequence[Key], overlay: Overlay | None) -> list[Document]:
        """The changes as main compiles them: with the services of a ring that ends or begins."""
        named = {(document.kind, document.key) for document in changed} | set(gone)
        before = self._overlay.present if self._overlay and self._overlay != overlay else ()
        wanted = {(d.kind, d.key): d for d in before if (d.kind, d.key) not in named}
        if overlay is None:
            return [*wanted.values(), *changed]
        wanted |= {(d.kind, d.key): d for d in (overlay.present if overlay != self._overlay else ())}
        wanted |= {(document.kind, document.key): document for document in changed}
        own = {document.id for document in overlay.present if document.kind == "services"}
        return [overlay.counted(d) if d.kind == "services" and d.id in own else d for d in wanted.values()]


def _elsewhere(overlay: Overlay, changed: Iterable[Document], gone: Iterable[Key]) -> tuple[list[Document], list[Key]]:
    """Those of the group's changes that reach the ring: what is not the overlay's own."""
    touched = overlay.touched
    upserts = [document for document in changed if (document.kind, document.key) not in touched]
    return upserts, [key for key in gone if key not in touched]
