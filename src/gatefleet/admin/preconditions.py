"""Writes that count only if nobody changed the document since it was read: ETag and If-Match (RFC 9110, 13.1.1)."""

from typing import Any

from fastapi import Request, Response

from gatefleet.admin.web import value
from gatefleet.errors import Stale
from gatefleet.store import Stored


def tag(stored: Stored) -> str:
    """A document's ETag: the revision of its group that wrote it last."""
    return f'"{stored.revision}"'


def tagged(etag: str, answered: Any) -> Response:
    """An answer about one thing, with its ETag."""
    response = value(answered)
    response.headers["etag"] = etag
    return response


def refuse_if_changed(request: Request, stored: Stored | None) -> None:
    """Stale if the document is in no state that If-Match names; without that header every write counts."""
    refuse_unless(request, None if stored is None else tag(stored))


def refuse_unless(request: Request, current: str | None) -> None:
    """The same for whatever has this ETag now; None if it is not there."""
    wanted = request.headers.get("if-match")
    if wanted is None:
        return
    accepted = {part.strip() for part in wanted.split(",")}
    if current is None or (accepted != {"*"} and current not in accepted):
        raise Stale("somebody else has changed or deleted it since you read it: read it again, then repeat your change")
