"""Turns plain requests into a GraphQL query of the upstream; its variables are fields of the body, or arguments.

POST requests become POST requests with a JSON body, GET requests carry all in their arguments; others are refused.
"""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator

from gatefleet.filters import lua, lua_source
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

SOURCE = lua_source(__name__)


class Degraphql(Conf):
    """The query and what may vary in it."""

    query: str = Field(min_length=1, max_length=1024, description="The GraphQL query.")
    variables: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="The names of its variables."
    )
    operation_name: str | None = Field(
        default=None, min_length=1, max_length=1024, description="Which operation of the query, if it has several."
    )

    @model_validator(mode="after")
    def can_be_read(self) -> Self:
        from graphql import GraphQLSyntaxError, parse  # noqa: PLC0415 - half a second that few configurations need

        try:
            definitions = parse(self.query, max_tokens=1024).definitions
        except (GraphQLSyntaxError, RecursionError) as error:
            raise ValueError(f"failed to parse query: {getattr(error, 'message', 'too deep')}") from None
        if len(definitions) > 1 and not self.operation_name:
            raise ValueError("operation_name is required if multiple operations are present in the query")
        return self


def translate(conf: Degraphql, _: Scope) -> Iterator[Effect]:
    context = {"query": conf.query, "variables": conf.variables or (), "operation": conf.operation_name or ""}
    yield from lua("degraphql", SOURCE, context, ["forms"])


PLUGIN = Plugin(
    name="degraphql",
    priority=509,
    phase=Phase.ACCESS,
    conf=Degraphql,
    translate=translate,
    summary="Turns plain requests into a GraphQL query.",
    category="transformation",
    examples={
        "One product by its id": {"query": "query ($id: ID!) { product(id: $id) { name price } }", "variables": ["id"]}
    },
)
