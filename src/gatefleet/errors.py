"""Every error Gatefleet raises on purpose, and the HTTP status each one answers with.

GatefleetError            500  something broke on our side
├── Invalid               400  well formed, but not acceptable; the message names the field and what to do
├── Unauthorized          401  no credential, or one we do not know
├── Forbidden             403  a known caller who may not do this
├── NotFound              404  no such thing here
├── Conflict              409  the name is taken, or someone else changed it meanwhile
├── Stale                 412  the request names a state of the thing that it is not in any more
├── TooLarge              413  a request's body is larger than we read
├── TooMany               429  asked too often; the answer says when to come back
└── Unreachable           503  PostgreSQL, a registry, a bucket or Prometheus did not answer
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class GatefleetError(Exception):
    """The root: whatever reaches the outside carries a status and a sentence."""

    status: ClassVar[int] = 500


class Invalid(GatefleetError):
    """`errors`, if there are any, are the problems one by one, as JSON."""

    status = 400

    def __init__(self, message: str, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.errors = errors


class Unauthorized(GatefleetError):
    status = 401


class Forbidden(GatefleetError):
    status = 403


class NotFound(GatefleetError):
    status = 404


class Conflict(GatefleetError):
    """`value`, if there is one, says as JSON what stands in the way."""

    status = 409

    def __init__(self, message: str, value: Any = None) -> None:
        super().__init__(message)
        self.value = value


class Stale(GatefleetError):
    status = 412


class TooLarge(GatefleetError):
    status = 413


class TooMany(GatefleetError):
    """`seconds`: when to come back."""

    status = 429

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class Unreachable(GatefleetError):
    status = 503
