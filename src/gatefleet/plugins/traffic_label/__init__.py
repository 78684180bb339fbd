"""Labels requests with headers, by conditions and by weights; other plugins and the upstream see the labels.

The first rule whose conditions hold counts, and of it one action. Weights are kept per worker.
"""

from collections.abc import Iterator
from typing import Annotated, Any, cast

from pydantic import Field, model_validator

from gatefleet.expressions import LIBRARIES, read
from gatefleet.filters import HeaderName, HeaderValue, lua, lua_source, text_of
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope
from gatefleet.templates import lua_parts, parse

SOURCE = lua_source(__name__)


class Action(Conf):
    """What to do; without `set_headers` nothing."""

    set_headers: dict[HeaderName, HeaderValue] | None = Field(
        default=None, min_length=1, description="Headers to set, by name; values may hold `$variables`."
    )
    weight: int = Field(default=1, ge=1, le=10**6, description="Its share of the requests, against the other actions.")

    @model_validator(mode="before")
    @classmethod
    def only_known(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for name in cast("dict[str, Any]", value).keys() - {"set_headers", "weight"}:
                raise ValueError(f"not supported action: {name}")
        return cast("Any", value)


class Rule(Conf):
    """One rule."""

    match: list[Any] | None = Field(
        default=None, min_length=1, description="Conditions, as `vars` of routes; without them every request."
    )
    actions: Annotated[tuple[Action, ...], Field(strict=False, min_length=1)] = Field(
        description="What to do, one of them for each request."
    )


class TrafficLabel(Conf):
    """Rules, asked in their order."""

    rules: Annotated[tuple[Rule, ...], Field(strict=False, min_length=1)] = Field(description="The rules.")


def translate(conf: TrafficLabel, scope: Scope) -> Iterator[Effect]:
    rules: list[dict[str, Any]] = []
    for number, rule in enumerate(conf.rules):
        found = read("traffic-label", rule.match or [], f"rules.{number}.match", scope)
        yield from found.before
        rules.append({"match": found.tree, "actions": [_action(action, scope) for action in rule.actions]})
    yield from lua("traffic-label", SOURCE, {"rules": rules}, (*LIBRARIES, "weights"))


def _action(action: Action, scope: Scope) -> dict[str, Any]:
    headers = {
        name.lower(): lua_parts(parse(text_of(value), f"set_headers.{name}", scope))
        for name, value in (action.set_headers or {}).items()
    }
    return {"weight": action.weight, "headers": headers}


PLUGIN = Plugin(
    name="traffic-label",
    priority=967,
    phase=Phase.ACCESS,
    conf=TrafficLabel,
    translate=translate,
    summary="Labels requests with headers, by conditions and weights.",
    category="traffic",
    examples={
        "A label for testers": {
            "rules": [
                {"match": [["cookie_tester", "==", "yes"]], "actions": [{"set_headers": {"X-Audience": "testers"}}]}
            ]
        }
    },
)
