"""Every error Gatefleet raises on purpose, and the HTTP status each one answers with.

GatefleetError            500  something broke on our side
├── Invalid               400  well formed, but not acceptable; the message names the field and what to do
├── Unauthorized          401  no credential, or one we do not know
├── Forbidden             403  a known caller who may not do this
├── NotFound              404  no such thing here
├── Conflict              409  the name is taken, or someone else changed it meanwhile
├── TooLarge              413  a request's body is larger than we read
└── Unreachable           503  PostgreSQL, a registry or a bucket did not answer
"""

from typing import ClassVar


class GatefleetError(Exception):
    """The root: whatever reaches the outside carries a status and a sentence."""

    status: ClassVar[int] = 500


class Invalid(GatefleetError):
    status = 400


class Unauthorized(GatefleetError):
    status = 401


class Forbidden(GatefleetError):
    status = 403


class NotFound(GatefleetError):
    status = 404


class Conflict(GatefleetError):
    status = 409


class TooLarge(GatefleetError):
    status = 413


class Unreachable(GatefleetError):
    status = 503
