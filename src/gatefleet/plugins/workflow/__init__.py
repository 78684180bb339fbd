"""Asks conditions in their order, and does what the first that holds says: refuses the request, or counts it.

Counters of an action are its own: those of the same rule of a route, whatever else counts there.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal, cast

from pydantic import Field, SecretStr, ValidationError, field_validator

from gatefleet import plugins
from gatefleet.errors import Invalid
from gatefleet.expressions import LIBRARIES, read
from gatefleet.filters import lua, lua_source, refusal
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

SOURCE = lua_source(__name__)
HEADER = "x-gf-workflow"
PASSWORD = "redis_password"  # noqa: S105 - the name of a field
LIMITS = ("limit-count", "limit-conn", "limit-req")
Pair = Annotated[list[Any], Field(min_length=1, max_length=2)]


class Rule(Conf):
    """One rule; its first action is what is done."""

    case: list[Any] | None = Field(
        default=None, min_length=1, description="Conditions, as `vars` of routes; without them every request."
    )
    actions: Annotated[list[Pair], Field(min_length=1)] = Field(
        description='`["return", {"code": 403}]`, `["limit-count", {...}]`, `["limit-conn", {...}]` or '
        '`["limit-req", {...}]`.'
    )

    @field_validator("actions")
    @classmethod
    def passwords_are_secret(cls, actions: list[Pair]) -> list[Pair]:
        return [[_hidden(part) for part in action] for action in actions]


def _hidden(part: Any) -> Any:
    """A limit's configuration with its password as what it is: a secret."""
    if not isinstance(part, dict):
        return part
    conf = cast("dict[str, Any]", part)
    password = conf.get(PASSWORD)
    return {**conf, PASSWORD: SecretStr(password)} if isinstance(password, str) else conf


class Workflow(Conf):
    """Rules, asked in their order."""

    rules: Annotated[tuple[Rule, ...], Field(strict=False, min_length=1)] = Field(description="The rules.")


class Return(Conf):
    """What the action `return` says."""

    code: int = Field(ge=200, le=599)


def translate(conf: Workflow, scope: Scope) -> Iterator[Effect]:
    rules: list[dict[str, Any]] = []
    counting: list[Effect] = []
    for number, rule in enumerate(conf.rules):
        found = read("workflow", rule.case or [], f"rules.{number}.case", scope)
        yield from found.before
        name, given = _action(rule, number)
        status = ""
        if name == "return":
            status = str(_read(Return, given, number).code)
        else:
            counting += _limit(name, given, number, scope)
        rules.append({"case": found.tree, "status": status, "mark": str(number)})
    body = refusal(conf, {"error_msg": "rejected by workflow"})
    yield from lua("workflow", SOURCE, {"header": HEADER, "rules": rules, "body": body}, LIBRARIES)
    yield from counting


def _action(rule: Rule, number: int) -> tuple[str, dict[str, Any]]:
    name, *rest = rule.actions[0]
    given: Any = rest[0] if rest else {}
    if name not in ("return", *LIMITS) or not isinstance(given, dict):
        raise Invalid(f"[rules.{number}.actions] unsupported action: {name}; there are return, {', '.join(LIMITS)}")
    return cast("Literal['return']", name), cast("dict[str, Any]", given)


def _read(model: type[Return], given: dict[str, Any], number: int) -> Return:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise Invalid(f"[rules.{number}.actions] {_first(error)}") from None


def _limit(name: str, given: dict[str, Any], number: int, scope: Scope) -> list[Effect]:
    limit = plugins.registry()[name]
    given = {key: value.get_secret_value() if isinstance(value, SecretStr) else value for key, value in given.items()}
    placed = replace(scope, owner=f"{scope.owner}:workflow:{number}", only_where=(HEADER, str(number)))
    try:
        return list(limit.translate(limit.read(given), placed))
    except ValidationError as error:
        raise Invalid(f"[rules.{number}.actions] {name}: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


PLUGIN = Plugin(
    name="workflow",
    priority=1006,
    phase=Phase.ACCESS,
    conf=Workflow,
    translate=translate,
    summary="Refuses or counts requests by conditions, in an order.",
    category="traffic",
    examples={
        "Refuse one path, count another": {
            "rules": [
                {"case": [["uri", "==", "/internal"]], "actions": [["return", {"code": 403}]]},
                {
                    "case": [["uri", "==", "/search"]],
                    "actions": [["limit-count", {"count": 10, "time_window": 60, "rejected_code": 429}]],
                },
            ]
        }
    },
    protects=True,
)
