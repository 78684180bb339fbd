"""References to secrets that are kept outside: `$secret://vault/team/jack/auth-key`, `$env://NAME/auth-key`.

The control plane never sees their values. In what it compiles a token stands for each, and nodes put the values in.
Source of the form: APISIX's documentation on secrets ("terminology/secret").
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec

from gatefleet.errors import Invalid

SECRET: Final = "$secret://"  # noqa: S105 - a word, not a secret
ENVIRONMENT: Final = "$env://"
MANAGERS: Final = ("vault", "aws", "kubernetes")
OWN_VARIABLES: Final = "GATEFLEET_"
"""How the names of environment variables begin that are the node's own business."""
LONGEST: Final = 4096
_PLAIN, _BASE64 = "gfreference0", "gfreference1"
_DIGITS: Final = 128 - len(_PLAIN)
TOKEN: Final = re.compile(rf"gfreference[01][0-9a-f]{{{_DIGITS}}}")
"""A token in a text; one with a `1` stands for the bytes that the secret is the base64 of."""
TOKEN_BYTES: Final = re.compile(TOKEN.pattern.encode())
MARK: Final = b"gfreference"
"""What every token begins with."""
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference, read."""

    manager: str
    """One of MANAGERS, or `env`."""
    provider: str
    """Key of the secret provider's document, such as `vault/team`; empty for the environment."""
    secret: str
    """The secret's name at its place."""
    key: str
    """What of it is meant; empty for the whole."""


class Wanted(msgspec.Struct, frozen=True):
    """What nodes are told of a reference: its text, and the configuration of its provider, secrets in clear."""

    reference: str
    config: Mapping[str, Any] | None
    """None: the group has no such provider. Empty for the environment."""

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(self, order="deterministic")

    @classmethod
    def from_bytes(cls, body: bytes) -> "Wanted":
        """Raises msgspec.DecodeError when `body` is none."""
        return msgspec.msgpack.decode(body, type=cls)


def is_reference(value: object) -> bool:
    """Whether the value is, or is meant as, a reference."""
    return isinstance(value, str) and value[:10].lower().startswith((SECRET, ENVIRONMENT))


def read(text: str) -> Reference:
    """The parts of a reference; Invalid, saying what is wrong, for what names no secret."""
    if len(text) > LONGEST or not text.isprintable():
        raise Invalid(f"a reference has at most {LONGEST} characters, all of them printable")
    if text[: len(ENVIRONMENT)].lower() == ENVIRONMENT:
        return _of_environment(text[len(ENVIRONMENT) :])
    manager, _, rest = text[len(SECRET) :].partition("/")
    provider, _, path = rest.partition("/")
    name, slash, key = path.rpartition("/")
    if manager not in MANAGERS:
        raise Invalid(f"[{text}] names none of {', '.join(MANAGERS)}: write {SECRET}<manager>/<id>/<secret>/<key>")
    if manager == "aws" and not slash:
        name, key = key, ""
    if not provider or not name or (slash and not key):
        raise Invalid(f"[{text}] is incomplete: write {SECRET}{manager}/<id>/<secret>/<key>")
    if any(part in {"", ".", ".."} for part in name.split("/")):
        raise Invalid(f"[{text}] has an empty or dotted part in the secret's name")
    return Reference(manager, f"{manager}/{provider}", name, key)


def _of_environment(path: str) -> Reference:
    name, slash, key = path.partition("/")
    if not name or (slash and not key):
        raise Invalid(f"write {ENVIRONMENT}<name of a variable>, or {ENVIRONMENT}<name>/<key> where it holds JSON")
    if name.startswith(OWN_VARIABLES):
        raise Invalid(f"variables that begin with {OWN_VARIABLES} are the node's own and are not given away")
    return Reference("env", "", name, key)


def token(reference: str) -> str:
    """What stands for a reference until a node puts the value in: 128 letters and digits, also as base64."""
    return _PLAIN + hashlib.sha512(reference.encode()).hexdigest()[:_DIGITS]


def is_token(text: str) -> bool:
    return TOKEN.fullmatch(text) is not None


def unbase64(text: str) -> bytes:
    """For a token whose value is base64: what stands for the bytes it is the base64 of."""
    return text.replace(_PLAIN, _BASE64).encode()


def of_base64(text: str) -> str | None:
    """The token whose value's base64 is meant by `text`; None when it is a plain one."""
    return text.replace(_BASE64, _PLAIN) if text.startswith(_BASE64) else None


def found(value: Any, at: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every reference in a value as JSON has them, and where it stands."""
    if is_reference(value):
        yield at, cast("str", value)
    elif isinstance(value, Mapping):
        for key, part in cast("Mapping[str, Any]", value).items():
            yield from found(part, (*at, key))
    elif isinstance(value, list | tuple):
        for index, part in enumerate(cast("list[Any]", value)):
            yield from found(part, (*at, index))


def with_tokens(value: Any) -> Any:
    """The value with tokens for references; the very value where there is none."""
    return _replaced(value) if next(found(value), None) else value


def told(value: Any, message: str) -> str:
    """The message with the references of `value` where it has their tokens."""
    for _, text in found(value):
        message = message.replace(token(text), text)
    return message


def _replaced(value: Any) -> Any:
    if is_reference(value):
        return token(cast("str", value))
    if isinstance(value, Mapping):
        return {key: _replaced(part) for key, part in cast("Mapping[str, Any]", value).items()}
    return [_replaced(part) for part in cast("list[Any]", value)] if isinstance(value, list | tuple) else value
