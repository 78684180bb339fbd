"""Validation errors in the words clients of this API know: `Error at "/path_prefix": value must be a string`."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

Context = Mapping[str, Any]

WORDS: Final[Mapping[str, Callable[[Context], str]]] = {
    "string_type": lambda _: "value must be a string",
    "int_type": lambda _: "value must be an integer",
    "int_from_float": lambda _: "value must be an integer",
    "float_type": lambda _: "value must be a number",
    "finite_number": lambda _: "value must be a number",
    "bool_type": lambda _: "value must be a boolean",
    "dict_type": lambda _: "value must be an object",
    "model_type": lambda _: "value must be an object",
    "model_attributes_type": lambda _: "value must be an object",
    "list_type": lambda _: "value must be an array",
    "tuple_type": lambda _: "value must be an array",
    "set_type": lambda _: "value must be an array",
    "string_too_short": lambda c: f"minimum string length is {c['min_length']}",
    "string_too_long": lambda c: f"maximum string length is {c['max_length']}",
    "string_pattern_mismatch": lambda c: f'string doesn\'t match the regular expression "{c["pattern"]}"',
    "greater_than_equal": lambda c: f"number must be at least {c['ge']:g}",
    "greater_than": lambda c: f"number must be more than {c['gt']:g}",
    "less_than_equal": lambda c: f"number must be at most {c['le']:g}",
    "less_than": lambda c: f"number must be less than {c['lt']:g}",
    "literal_error": lambda c: f"value is not one of the allowed values [{_allowed(str(c['expected']))}]",
    "value_error": lambda c: str(c["error"]),
}


def sentences(error: ValidationError, at: Sequence[str | int] = ()) -> list[str]:
    """Every problem of a pydantic error as one sentence; `at` is where the validated value stands in the request."""
    return [sentence(detail, at) for detail in error.errors(include_url=False, include_input=False)]


def sentence(detail: ErrorDetails, at: Sequence[str | int] = ()) -> str:
    """One pydantic problem as a sentence with a JSON pointer."""
    path = [*at, *detail["loc"]]
    context = detail.get("ctx", {})
    kind = detail["type"]
    if kind == "missing":
        return error_at(path, f'property "{path[-1]}" is missing')
    if kind in {"too_short", "too_long"}:
        return error_at(path, _counted(kind, context))
    word = WORDS.get(kind)
    return error_at(path, word(context) if word else detail["msg"])


def error_at(path: Sequence[str | int], message: str) -> str:
    """`Error at "/a/b": message`, with JSON pointer escapes."""
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return f'Error at "{pointer}": {message}' if path else message


def _counted(kind: str, context: Context) -> str:
    side, bound = ("minimum", context["min_length"]) if kind == "too_short" else ("maximum", context["max_length"])
    match context.get("field_type"):
        case "Dictionary":
            return f"{side} number of properties is {bound}"
        case "List":
            return f"{side} number of items is {bound}"
        case _:
            return f"{side} string length is {bound}"


def _allowed(expected: str) -> str:
    """Pydantic's `'a', 'b' or 'c'` as JSON values joined by commas."""
    values = re.findall(r"'([^']*)'|(-?\d+)", expected)
    return ",".join(number or json.dumps(text) for text, number in values)
