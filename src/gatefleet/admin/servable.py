"""What the shapes allow and the compiler cannot carry is refused when it is written, not found out later."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from gatefleet.compile.check import check
from gatefleet.errors import Invalid
from gatefleet.resources import KINDS, Document
from gatefleet.resources.messages import sentences


def check_servable(
    document: Document, service: Mapping[str, Any] | None = None, protos: Mapping[str, str] | None = None
) -> None:
    """Invalid, naming the field, for what no node could serve.

    `service` is its service's body and `protos` the protobuf definitions it names, by id, where those are known.
    """
    if not KINDS[document.kind].carried:
        return
    try:
        check(document, service, protos=protos)
    except ValidationError as error:
        raise Invalid("; ".join(sentences(error))) from error
