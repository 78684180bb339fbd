"""What the conditions of a host's routes ask the native module about a request, as bytes: see `questions.c`."""

import hashlib
import struct
from typing import Final, Literal

Comparison = Literal["==", "<", "<=", ">", ">="]
PLAIN: Final = frozenset(
    {"uri", "host", "request_uri", "remote_addr", "server_addr", "remote_port", "server_port"}
    | {"args", "query_string", "is_args"}
)
PREFIXES: Final = ("http_", "arg_", "cookie_")
_KINDS: Final[dict[Comparison, str]] = {"==": "=", "<": "<", "<=": "l", ">": ">", ">=": "g"}
_HEAD: Final = struct.Struct("<cBH")


def value_of(variable: str) -> bytes:
    """The question that puts a variable's value into the header `header_of(question)`; none where it has no value."""
    return _question("v", variable, b"")


def compared(variable: str, comparison: Comparison, number: float) -> bytes:
    """The question whose header is "1" where the variable is a number that compares so, and absent elsewhere."""
    return _question(_KINDS[comparison], variable, struct.pack("<d", number))


def header_of(question: bytes) -> str:
    """The request header that holds the answer."""
    size = question[1]
    return question[_HEAD.size : _HEAD.size + size].decode()


def _question(kind: str, variable: str, number: bytes) -> bytes:
    name = variable.encode()
    header = b"x-gf-" + hashlib.sha256(kind.encode() + name + b"\0" + number).hexdigest()[:12].encode()
    return _HEAD.pack(kind.encode(), len(header), len(name)) + header + name + number
