"""Which route scope serves a host and path: must agree with `scope.c` byte for byte."""

import struct
from collections.abc import Iterable
from zlib import crc32

ENTRY = struct.Struct("<II")


def host_entry(depth: int, shards: int, questions: Iterable[bytes] = ()) -> bytes:
    """Value of a host in the host table; (0, 1) says that the host is not sharded.

    `questions`: what the conditions of its routes ask, as `native.questions` makes them.
    """
    return ENTRY.pack(depth, shards) + b"".join(questions)


def shard_index(path: str, depth: int, shards: int) -> int:
    """Shard that serves a decoded request path (nginx's `$uri`), by its first `depth` segments."""
    head = "/".join(path.removeprefix("/").split("/")[:depth])
    return crc32(head.encode(errors="surrogateescape")) % shards


def shard_scope(host: str, depth: int, shards: int, index: int) -> str:
    """Scope key of one shard of a host; of the whole host when it is not sharded."""
    return host if depth == 0 or shards < 2 else f"{host}#{depth}.{shards}.{index}"


def scope_key(host: str, depth: int, shards: int, path: str) -> str:
    """Scope key of a request: `host` as it stands in the host table, `path` decoded and without query."""
    if depth == 0 or shards < 2:
        return host
    return shard_scope(host, depth, shards, shard_index(path, depth, shards))
