"""Keys that requests are counted by: a variable, a text with variables, or one constant for all."""

import re

from gatefleet.errors import Invalid
from gatefleet.native.config import LIMIT_VARIABLE_PREFIXES, LIMIT_VARIABLES
from gatefleet.plugin import Scope
from gatefleet.templates import Part, parse


def counting_key(key: str, key_type: str, scope: Scope) -> tuple[str, str]:
    """`key` and `key_type` with what the scope knows (route and service) filled in, as `native.config` reads them.

    Raises Invalid, naming [key], for what requests cannot be counted by.
    """
    if key_type == "constant":
        return key, "constant"
    if key_type == "var" and not re.fullmatch(r"\w+", key, re.ASCII):
        raise Invalid(
            "[key] has to be the name of a variable, as remote_addr; for a text with variables set [key_type]"
        )
    parts = parse(key if key_type == "var_combination" else "${" + key + "}", "key", scope)
    for part in parts:
        if not isinstance(part, str) and not is_countable(part.name):
            raise Invalid(f"[key] uses the variable [${part.name}], which requests cannot be counted by")
    if all(isinstance(part, str) for part in parts):
        constant = "".join(map(str, parts))
        return (constant, "constant") if constant not in ("", key) else ("remote_addr", "var")
    return "".join(map(written, parts)), "var_combination"


def is_countable(name: str) -> bool:
    """Whether the native module knows the variable."""
    return name in LIMIT_VARIABLES or name.startswith(LIMIT_VARIABLE_PREFIXES)


def written(part: Part) -> str:
    """A part as a template says it."""
    if isinstance(part, str):
        return part.replace("$", "\\$")
    return "${" + part.name + (f" ?? {part.default}" if part.default is not None else "") + "}"
