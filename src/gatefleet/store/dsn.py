"""What a DSN leads to: the first of its hosts that answers, and among several the one that takes writes."""

from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

import asyncpg
from asyncpg.exceptions import TargetServerAttributeNotMatched

LOST: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a connection that cannot be had, or is gone, raises."""
WRITES: Final = "read-write"
"""What is asked of a server unless the DSN says otherwise, when it names several."""


def of_each_host(dsn: str) -> list[str]:
    """The DSN once per host of `postgresql://user:password@host1:5432,host2:5432/database?target_session_attrs=...`.

    As in libpq (PostgreSQL 16, 34.1.1.3 "Specifying Multiple Hosts"); with several hosts, and no
    `target_session_attrs`, the one that takes writes is looked for.
    """
    parts = urlsplit(dsn)
    user, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return [dsn]
    asked = parse_qs(parts.query, keep_blank_values=True)
    query = urlencode({"target_session_attrs": WRITES} | {name: values[-1] for name, values in asked.items()})
    return [SplitResult(parts.scheme, f"{user}{at}{host}", parts.path, query, "").geturl() for host in hosts.split(",")]


async def dial(dsn: str, seconds: float, **options: Any) -> "asyncpg.Connection[Any]":
    """A connection to the first host that is what the DSN asks for, each given so many seconds to answer.

    `options` are asyncpg.connect's. Raises what the last host failed with: OSError (TimeoutError is one) when it cannot
    serve now, asyncpg.PostgresError when it does not let us in.
    """
    failure: Exception = OSError("the DSN names no host")
    for each in of_each_host(dsn):
        try:
            return await asyncpg.connect(each, timeout=seconds, **options)
        except (
            asyncpg.CannotConnectNowError,
            asyncpg.TooManyConnectionsError,
            TargetServerAttributeNotMatched,
        ) as error:
            failure = ConnectionError(str(error))
        except (OSError, asyncpg.PostgresError) as error:
            failure = error
    raise failure
