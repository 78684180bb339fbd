"""Paths as routes write them (exact, `/x*` prefixes, `:name` segments) and as the matcher tree needs them.

Source of the rules: APISIX's router documentation (lua-resty-radixtree): exact before longest prefix, `:name` is one
segment, a `*` or `*name` at the end takes the rest.
"""

import re
from dataclasses import dataclass

from gatefleet.errors import Invalid


@dataclass(frozen=True, slots=True)
class Pattern:
    """Where a path stands in the tree: in the exact map, or below a literal prefix with an optional regex."""

    exact: bool
    key: str
    regex: str = ""

    @property
    def rank(self) -> tuple[int, int]:
        """Among the patterns of one prefix: those that say more go first."""
        return (0 if self.regex else 1, -len(self.regex))


def parse(path: str) -> Pattern:
    """Raises Invalid for a path that is not absolute or has `*` anywhere but at its end."""
    if not path.startswith("/"):
        raise Invalid(f'Error at "/paths": [{path}] must start with "/"')
    head, star, tail = path.partition("*")
    if star and ("/" in tail or "*" in tail):
        raise Invalid(f'Error at "/paths": [{path}] may have "*" only at its end')
    literal, colon, _ = head.partition("/:")
    if not colon:
        return Pattern(exact=not star, key=head)
    segments = "".join("[^/]+" if p.startswith(":") and len(p) > 1 else re.escape(p) for p in _pieces(head))
    return Pattern(exact=False, key=literal + "/", regex=segments + (".*" if star else ""))


def _pieces(path: str) -> list[str]:
    """The path cut at every segment, with the slashes kept: `/a/:b` is `/`, `a`, `/`, `:b`."""
    return [piece for piece in re.split(r"(/)", path) if piece]


def whole_segments(pattern: Pattern) -> int:
    """How many leading segments every path of this pattern shares."""
    return len(pattern.key[1:].split("/")) - (0 if pattern.exact else 1)
