"""The settings of every role: one frozen class each, read once from the environment and passed as an argument."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Final

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

LABEL: Final = re.compile(r"[\w./-]{1,64}", re.ASCII)
"""A key or a value of a node's labels."""


def config(role: str) -> SettingsConfigDict:
    """The model configuration of a role's settings: each field is the variable GATEFLEET_<ROLE>_<FIELD>."""
    return SettingsConfigDict(env_prefix=f"GATEFLEET_{role.upper()}_", frozen=True, extra="ignore")


def labels_of(given: object) -> object:
    """`env=canary,zone=a` as a mapping; ValueError for what is not written so. Anything but text is left as it is."""
    if not isinstance(given, str):
        return given
    pairs = [pair.partition("=") for pair in given.split(",") if pair]
    for key, equals, value in pairs:
        if not equals or not LABEL.fullmatch(key) or not LABEL.fullmatch(value):
            raise ValueError(
                f"[{key}{equals}{value}] is no label: write key=value,key=value, of letters and digits _./-"
            )
    return {key: value for key, _, value in pairs}


class AdminSettings(BaseSettings):
    """`gatefleet admin`: the Admin API and the Dashboard."""

    model_config: ClassVar[SettingsConfigDict] = config("admin")

    dsn: SecretStr = Field(description="PostgreSQL, for example postgresql://user:password@host:5432/gatefleet")
    encryption_key_file: Path = Field(description="File with the key that protects secrets at rest (32 bytes, base64)")
    bind: str = Field("127.0.0.1", description="Address to listen on")
    http_port: int = Field(7080, ge=0, le=65535, description="Port of the Admin API without TLS; 0 picks a free one")
    https_port: int = Field(7443, ge=0, le=65535, description="Port of the Admin API with TLS; 0 picks a free one")
    status_port: int | None = Field(7081, description="Port of /healthz and /metrics; unset: not served")
    tls_cert: Path | None = Field(None, description="Certificate chain (PEM), read again when it changes")
    tls_key: Path | None = Field(None, description="Private key (PEM) of the certificate, read again when it changes")
    data_dir: Path = Field(Path("data/admin"), description="Where a self-signed certificate is kept if none is given")
    session_hours: float = Field(12, gt=0, description="How long a Dashboard session lasts without use")
    session_longest_hours: float = Field(168, gt=0, description="How long a Dashboard session lasts at most")
    pool_size: int = Field(10, ge=1, description="Connections to PostgreSQL kept open")
    shutdown_seconds: float = Field(10, gt=0, description="How long running requests may take when asked to stop")
    log_format: str = Field("console", pattern="^(console|json)$", description="console or json")


class MigrateSettings(BaseSettings):
    """`gatefleet migrate`: bring the database to this version's schema."""

    model_config: ClassVar[SettingsConfigDict] = config("admin")

    dsn: SecretStr = Field(description="PostgreSQL, for example postgresql://user:password@host:5432/gatefleet")


class DpmSettings(BaseSettings):
    """`gatefleet dpm`: compiles the gateway groups and feeds their nodes."""

    model_config: ClassVar[SettingsConfigDict] = config("dpm")

    dsn: SecretStr = Field(description="PostgreSQL, for example postgresql://user:password@host:5432/gatefleet")
    encryption_key_file: Path = Field(description="File with the key that protects secrets at rest (32 bytes, base64)")
    bind: str = Field("0.0.0.0", description="Address to listen on")  # noqa: S104  (nodes come from other machines)
    http_port: int = Field(7900, ge=1, le=65535, description="Port of /healthz and /metrics, without TLS")
    tls_port: int = Field(7943, ge=1, le=65535, description="Port that nodes connect to, with TLS")
    tls_cert: Path | None = Field(None, description="Certificate chain (PEM) for callers that ask for another name")
    tls_key: Path | None = Field(None, description="Private key (PEM) of the certificate, read again when it changes")
    names: tuple[str, ...] = Field((), description="More names and addresses for the certificate of our own CA")
    addresses: tuple[str, ...] = Field((), description="Addresses of all DP Managers, told to nodes that join")
    data_dir: Path = Field(Path("data/dpm"), description="Where the log of the TLS front is kept")
    pool_size: int = Field(5, ge=1, description="Connections to PostgreSQL kept open")
    shutdown_seconds: float = Field(3, ge=0, description="How long calls may take to end when asked to stop")
    history_days: int = Field(90, ge=0, description="Revisions that were in force within these days can be restored")
    history_revisions: int = Field(1000, ge=1, description="So many revisions of each group can always be restored")
    log_format: str = Field("console", pattern="^(console|json)$", description="console or json")


class NodeSettings(BaseSettings):
    """`gatefleet node`: one Envoy and the agent that feeds it."""

    model_config: ClassVar[SettingsConfigDict] = config("node")

    dp_manager: str | None = Field(None, description="Address of the DP Manager, for example https://host:7943")
    token: SecretStr | None = Field(None, description="Join token; it names the gateway group")
    token_file: Path | None = Field(None, description="File that holds the join token")
    bundle: Path | None = Field(None, description="Join bundle: certificate, CA and keys in one file")
    cert: Path | None = Field(None, description="Client certificate (PEM) instead of a token")
    key: Path | None = Field(None, description="Private key (PEM) of the client certificate")
    ca: Path | None = Field(None, description="CA of the DP Manager (PEM)")
    data_dir: Path = Field(Path("data/node"), description="Where identity and the last configuration are kept")
    port_offset: int = Field(0, ge=0, le=60000, description="Added to every port of this node")
    bind: str = Field("0.0.0.0", description="Address that traffic is taken on")  # noqa: S104  (a gateway is public)
    status_bind: str | None = Field(None, description="Address of status and metrics; unset: as --bind")
    status_port: int = Field(7085, ge=1, le=65535, description="Port of /status and /status/ready, before the offset")
    metrics_port: int = Field(9091, ge=1, le=65535, description="Port of the metrics, before the offset")
    labels: Annotated[Mapping[str, str] | None, NoDecode, BeforeValidator(labels_of)] = Field(
        None, description="What to call this node, for example env=canary,zone=a; rings choose nodes by labels"
    )
    drain_timeout: float = Field(10, ge=0, description="Seconds that connections get to finish when asked to stop")
    envoy_concurrency: int = Field(0, ge=0, description="Worker threads of Envoy; 0: one per core")
    envoy_log_level: str = Field("error", description="How much Envoy says: info, warning, error, off")
    huge_pages: bool = Field(
        default=True, description="Keep Envoy's code and heap in huge pages where the kernel offers them"
    )
    log_format: str = Field("console", pattern="^(console|json)$", description="console or json")


class UpSettings(BaseSettings):
    """`gatefleet up`: everything on one machine."""

    model_config: ClassVar[SettingsConfigDict] = config("up")

    data_dir: Path = Field(Path("data"), description="Where everything is kept")
    port_offset: int = Field(0, ge=0, le=55000, description="Added to every port, so that several run on one machine")
    bind: str = Field("127.0.0.1", description="Address to listen on")
    tls_cert: Path | None = Field(None, description="Certificate chain (PEM) of the Admin API, read again on change")
    tls_key: Path | None = Field(None, description="Private key (PEM) of the certificate, read again on change")
    drain_timeout: float = Field(10, ge=0, le=60, description="Seconds that connections get to finish at the end")
    envoy_concurrency: int = Field(0, ge=0, description="Worker threads of the node's Envoy; 0: one per core")
    log_format: str = Field("console", pattern="^(console|json)$", description="console or json")
