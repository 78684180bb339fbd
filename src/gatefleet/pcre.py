"""Perl's regular expressions as `lua/regex.lua` takes them: for bodies and answers, which Envoy's RE2 cannot look at.

Options are those of nginx's Lua module (`ngx.re`). What PCRE2 cannot compile is refused by name.
"""

import re
from typing import Any, Final, cast

import pcre2

from gatefleet.errors import Invalid

FLAGS: Final = {
    "a": 0x80000000,
    "i": 0x8,
    "J": 0x40,
    "m": 0x400,
    "s": 0x20,
    "u": 0x80000,
    "U": 0x40080000,
    "x": 0x80,
    "j": 0,
    "o": 0,
}
"""PCRE2's option bits; `j` and `o` (compiling, keeping) are done anyway."""
_SYNTAX: Final = FLAGS["i"] | FLAGS["m"] | FLAGS["s"] | FLAGS["u"] | FLAGS["x"]


def rule(regex: str, options: str, field: str) -> dict[str, Any]:
    """`regex` and `flags` of a rule; raises Invalid, naming `field`, for what cannot be compiled."""
    unknown = set(options) - FLAGS.keys()
    if unknown:
        raise Invalid(f"[{field}] the option {min(unknown)} cannot be carried; there are {', '.join(FLAGS)}")
    flags = 0
    for option in options:
        flags |= FLAGS[option]
    module = cast("Any", pcre2)  # has no types
    pattern = ("(?J)" if "J" in options else "") + regex
    try:
        module.compile(pattern if flags & FLAGS["u"] else pattern.encode(), flags=flags & _SYNTAX)
    except module.LibraryError as error:
        raise Invalid(f"[{field}] is not a regular expression of PCRE: {error}") from None
    return {"regex": regex, "flags": flags}


def replacement(text: str, field: str) -> str:
    """A replacement as PCRE2 takes it; `$1` and `${1}` are groups, `$0` the match, `$$` a dollar."""
    for found in re.finditer(r"\$(\d+|\{\d+\}|\$)?", text):
        if found[1] is None:
            raise Invalid(f"[{field}] may refer to groups only, as in $1; a dollar is written $$")
    return text
