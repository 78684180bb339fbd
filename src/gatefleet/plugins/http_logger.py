"""Sends what happened to each request to an HTTP server, as JSON in batches.

No request waits for it. Entries wait on the node in a buffer of 16 MB, and then in the memory of its agent; what finds
no room, or is not taken after the retries, is lost and counted (`gatefleet_log_entries_lost`).
"""

from collections.abc import Iterator
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from gatefleet.entries import Entries, LoggerMetadata, effect
from gatefleet.plugin import Effect, Phase, Plugin, Scope

PENDING: Final = 20_000
"""Entries of one logger that may wait in the agent when nothing else is said."""


class HttpLoggerMetadata(LoggerMetadata):
    """Counts for all uses of the plugin in the group."""

    max_pending_entries: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Entries that may wait to be sent; 20000 when nothing is said."
    )


class HttpLogger(Entries):
    """Where entries go, and in what batches."""

    uri: str = Field(min_length=1, max_length=8192, description="The server: `http://` or `https://`.")
    auth_header: SecretStr | None = Field(default=None, description="Sent to it as `Authorization`.")
    timeout: int = Field(default=3, ge=1, le=3600, description="Seconds a batch may take to be sent.")
    name: str = Field(default="http logger", description="What metrics and the node's log call this logger.")
    batch_max_size: int = Field(default=1000, ge=1, le=100_000, description="Entries of one batch, at most.")
    inactive_timeout: int = Field(default=5, ge=1, description="Seconds without a new entry until a batch is sent.")
    buffer_duration: int = Field(default=60, ge=1, description="Seconds that a batch waits, at most.")
    max_retry_count: int = Field(default=0, ge=0, description="How often a batch that was not taken is sent again.")
    retry_delay: int = Field(default=1, ge=0, description="Seconds until then.")
    concat_method: Literal["json", "new_line"] = Field(
        default="json", description="`json`: a batch is an array; `new_line`: one entry per line."
    )
    ssl_verify: bool = Field(default=False, description="Check the server's certificate.")

    @field_validator("uri")
    @classmethod
    def uri_is_reachable(cls, uri: str) -> str:
        parts = urlsplit(uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("has to be http://host... or https://host...")
        return uri


def translate(conf: HttpLogger, scope: Scope) -> Iterator[Effect]:
    metadata = HttpLoggerMetadata.model_validate(dict(scope.metadata))
    batch = {
        "size": conf.batch_max_size,
        "inactive": conf.inactive_timeout,
        "duration": conf.buffer_duration,
        "retries": conf.max_retry_count,
        "delay": conf.retry_delay,
        "pending": metadata.max_pending_entries or PENDING,
    }
    sink = {
        "kind": "http",
        "name": conf.name,
        "owner": scope.owner,
        "uri": conf.uri,
        "authorization": conf.auth_header.get_secret_value() if conf.auth_header else "",
        "timeout": conf.timeout,
        "verify": conf.ssl_verify,
        "lines": conf.concat_method == "new_line",
        "batch": batch,
    }
    yield effect(conf, scope, sink)


PLUGIN = Plugin(
    name="http-logger",
    priority=410,
    phase=Phase.LOG,
    conf=HttpLogger,
    translate=translate,
    summary="Sends what happened to each request to an HTTP server.",
    category="observability",
    examples={"To a collector": {"uri": "http://logs.example:8080/gateway", "batch_max_size": 100}},
    metadata=HttpLoggerMetadata,
    names_route=True,
)
