"""What routes ask of bodies, as texts: single conditions, which our Lua answers before a route is chosen."""

import hashlib
import json
from typing import Any, Final, cast

from gatefleet import expressions
from gatefleet.plugin import Scope

NAME: Final = "gf.ask"
_NOBODY: Final = Scope("route")
"""Variables of bodies are those of no route."""


def question(variable: str, operator: str, value: Any) -> str:
    """The text of a condition; raises errors.Invalid for one that cannot be asked."""
    if isinstance(value, list | tuple):
        value = list(cast("list[Any]", value))
    elif operator == "ipmatch":
        value = [value]
    condition = [variable, operator, value]
    expressions.read(NAME, condition, "vars", _NOBODY)
    return json.dumps(condition)


def header_of(question: str) -> str:
    """The request header that is "1" where the condition holds, and absent elsewhere."""
    return f"x-gf-{hashlib.sha256(question.encode()).hexdigest()[:12]}"


def conditions(questions: tuple[str, ...]) -> expressions.Conditions:
    """All of them for Lua, in their order under `of`."""
    return expressions.read(NAME, [json.loads(question) for question in questions], "vars", _NOBODY)


def asks_graphql(question: str) -> bool:
    """Whether it asks what can be in a query, too."""
    return str(json.loads(question)[0]).startswith("graphql_")
