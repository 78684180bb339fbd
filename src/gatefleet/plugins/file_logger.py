"""Writes what happened to each request into a file on the node, one JSON object per line.

A relative path starts in the node's data directory. Lines are written within a tenth of a second; a file that was moved
away or removed is made anew. The node's `--log-files` says below which directory files may be at all.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, field_validator

from gatefleet import judging
from gatefleet.entries import Entries, LoggerMetadata, effect
from gatefleet.plugin import Effect, Phase, Plugin, Scope


class FileLoggerMetadata(LoggerMetadata):
    """Counts for all uses of the plugin in the group."""

    path: str | None = Field(default=None, min_length=1, max_length=1024, description="The file of those without one.")


class FileLogger(Entries):
    """Which file, and which requests."""

    path: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        description="The file; unset: the path in the plugin's metadata, and without that nothing is written.",
    )
    match: Annotated[list[Any], Field(min_length=1)] | None = Field(
        default=None,
        description="A list of conditions: requests that meet one of them are written. Bodies cannot be asked.",
    )

    @field_validator("path")
    @classmethod
    def path_is_plain(cls, path: str | None) -> str | None:
        if path is not None and ("\0" in path or path.endswith("/") or ".." in path.split("/")):
            raise ValueError("has to name a file, without [..]")
        return path


def translate(conf: FileLogger, scope: Scope) -> Iterator[Effect]:
    path = conf.path or FileLoggerMetadata.model_validate(dict(scope.metadata)).path
    if path is None:
        return  # as in APISIX: metadata may come later, and go
    match = None if conf.match is None else judging.any_of(conf.match)
    yield effect(conf, scope, {"kind": "file", "name": "file logger", "owner": scope.owner, "path": path}, match)


PLUGIN = Plugin(
    name="file-logger",
    priority=399,
    phase=Phase.LOG,
    conf=FileLogger,
    translate=translate,
    summary="Writes what happened to each request into a file on the node.",
    category="observability",
    examples={
        "One line for each request": {"path": "/var/log/gatefleet/access.log"},
        "Only failures, in a format of your own": {
            "path": "/var/log/gatefleet/failures.log",
            "match": [[["status", ">=", 500]]],
            "log_format": {"host": "$host", "uri": "$uri", "status": "$status"},
        },
    },
    metadata=FileLoggerMetadata,
    names_route=True,
)
