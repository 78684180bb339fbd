"""The settings of every role: one frozen class each, read once from the environment and passed as an argument."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gatefleet.addresses import DENIED, address

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


def listed(given: object) -> object:
    """`a,b` as a tuple; anything but text is left as it is."""
    return tuple(filter(None, given.split(","))) if isinstance(given, str) else given


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)]
"""Texts, written with commas between them."""


def networks(given: tuple[str, ...]) -> tuple[str, ...]:
    """The same; ValueError if one of them is neither an address nor a network."""
    return tuple(address(text) for text in given)


Networks = Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed), AfterValidator(networks)]
"""Addresses and networks, as in `10.0.0.0/8,::1`."""


class KeySettings(BaseSettings):
    """Where the master key comes from, which protects secrets at rest."""

    model_config: ClassVar[SettingsConfigDict] = config("keys")

    encryption_key_file: Path | None = Field(
        None,
        description="File with the key that protects secrets at rest: 32 bytes, base64, or as Vault or KMS sealed it",
    )
    encryption_key: SecretStr | None = Field(None, description="The key itself, instead of its file")
    encryption_key_vault: str | None = Field(
        None, description="Where Vault decrypts the key, for example https://vault:8200/v1/transit/decrypt/gatefleet"
    )
    encryption_key_vault_token_file: Path | None = Field(None, description="File with a token for that")


class AdminSettings(KeySettings, BaseSettings):
    """`gatefleet admin`: the Admin API and the Dashboard."""

    model_config: ClassVar[SettingsConfigDict] = config("admin")

    dsn: SecretStr = Field(description="PostgreSQL, for example postgresql://user:password@host:5432/gatefleet")
    bind: str = Field("127.0.0.1", description="Address to listen on")
    http_port: int = Field(7080, ge=0, le=65535, description="Port of the Admin API without TLS; 0 picks a free one")
    https_port: int = Field(7443, ge=0, le=65535, description="Port of the Admin API with TLS; 0 picks a free one")
    status_port: int | None = Field(7081, description="Port of /healthz, /readyz and /metrics; unset: not served")
    tls_cert: Path | None = Field(None, description="Certificate chain (PEM), read again when it changes")
    tls_key: Path | None = Field(None, description="Private key (PEM) of the certificate, read again when it changes")
    data_dir: Path = Field(Path("data/admin"), description="Where a self-signed certificate is kept if none is given")
    session_hours: float = Field(12, gt=0, description="How long a Dashboard session lasts without use")
    session_longest_hours: float = Field(168, gt=0, description="How long a Dashboard session lasts at most")
    one_session: bool = Field(default=False, description="Whether signing in ends the user's other sessions")
    cookie_secure: Literal["auto", "always", "never"] = Field(
        "auto", description="Whether browsers send the session's cookie over TLS only; auto: if it was made over TLS"
    )
    cookie_same_site: Literal["lax", "strict"] = Field("lax", description="SameSite of the session's cookie")
    trusted_proxies: Networks = Field((), description="Proxies whose X-Forwarded-For and -Proto are believed")
    allow_from: Networks = Field((), description="Networks that requests are let in from; none: from everywhere")
    deny_from: Networks = Field((), description="Networks that no request is let in from")
    outbound_deny: Networks = Field(
        DENIED, description="Networks that nothing configured is connected to: by default cloud metadata, link-local"
    )
    requests_per_second: float = Field(1000, gt=0, description="Requests a second from one address")
    sign_ins_per_second: float = Field(5, gt=0, description="Sign-ins a second from one address")
    pool_size: int = Field(10, ge=1, description="Connections to PostgreSQL kept open")
    drain_seconds: float = Field(
        0, ge=0, description="How long it still serves, but is not ready, when asked to stop: load balancers notice"
    )
    shutdown_seconds: float = Field(10, gt=0, description="How long running requests may take when asked to stop")
    log_format: str = Field("console", pattern="^(console|json)$", description="console or json")


class MigrateSettings(BaseSettings):
    """`gatefleet migrate`: bring the database to this version's schema."""

    model_config: ClassVar[SettingsConfigDict] = config("admin")

    dsn: SecretStr = Field(description="PostgreSQL, for example postgresql://user:password@host:5432/gatefleet")


class DpmSettings(KeySettings, BaseSettings):
    """`gatefleet dpm`: compiles the gateway groups and feeds their nodes."""

    model_config: ClassVar[SettingsConfigDict] = config("dpm")

    dsn: SecretStr = Field(description="PostgreSQL, for example postgresql://user:password@host:5432/gatefleet")
    bind: str = Field("0.0.0.0", description="Address to listen on")  # noqa: S104  (nodes come from other machines)
    http_port: int = Field(7900, ge=1, le=65535, description="Port of /healthz, /readyz and /metrics, without TLS")
    tls_port: int = Field(7943, ge=1, le=65535, description="Port that nodes connect to, with TLS")
    tls_cert: Path | None = Field(None, description="Certificate chain (PEM) for callers that ask for another name")
    tls_key: Path | None = Field(None, description="Private key (PEM) of the certificate, read again when it changes")
    ca_cert: Path | None = Field(None, description="CA (PEM) that signs nodes' certificates instead of one of our own")
    ca_key: Path | None = Field(None, description="Private key (PEM) of the CA; both are read again when they change")
    names: Listed = Field((), description="More names and addresses for the certificate of our own CA")
    addresses: Listed = Field((), description="Addresses of all DP Managers, told to nodes that join")
    data_dir: Path = Field(Path("data/dpm"), description="Where the log of the TLS front is kept")
    pool_size: int = Field(5, ge=1, description="Connections to PostgreSQL kept open")
    shutdown_seconds: float = Field(3, ge=0, description="How long calls may take to end when asked to stop")
    outbound_deny: Networks = Field(
        DENIED, description="Networks that nothing configured is connected to: by default cloud metadata, link-local"
    )
    audit_days: int = Field(60, ge=1, description="Rows of the audit log are kept for so many days")
    history_days: int = Field(90, ge=0, description="Revisions that were in force within these days can be restored")
    history_revisions: int = Field(1000, ge=1, description="So many revisions of each group can always be restored")
    log_format: str = Field("console", pattern="^(console|json)$", description="console or json")


class FallbackSettings(BaseSettings):
    """Where copies of the gateway groups are kept for times without a control plane; named as in API7's charts."""

    fallback_interval: float = Field(10, ge=1, description="Seconds between looks at what changed")
    fallback_aws_s3_config_bucket: str | None = Field(None, description="S3 bucket of what nodes serve, per group")
    fallback_aws_s3_resource_bucket: str | None = Field(None, description="S3 bucket of the groups' resources")
    fallback_aws_s3_region: str | None = Field(None, description="Region of the buckets; unset: AWS_REGION")
    fallback_aws_s3_access_key: str | None = Field(
        None, description="Access key; unset: AWS_* variables, the service account's or the machine's role"
    )
    fallback_aws_s3_secret_key: SecretStr | None = Field(None, description="Secret key that goes with it")
    fallback_aws_s3_endpoint: str | None = Field(None, description="URL of another S3-compatible server")
    fallback_aws_s3_use_path_style: bool = Field(
        default=False, description="Name the bucket in the path, not in the host name; most other servers want it"
    )
    fallback_azure_blob_config_container: str | None = Field(
        None, description="Azure container of what nodes serve, per group"
    )
    fallback_azure_blob_resource_container: str | None = Field(
        None, description="Azure container of the groups' resources"
    )
    fallback_azure_blob_account_name: str | None = Field(None, description="Azure storage account")
    fallback_azure_blob_account_key: SecretStr | None = Field(
        None, description="Its key; unset: AZURE_* variables, the workload's or the machine's managed identity"
    )
    fallback_azure_blob_endpoint: str | None = Field(None, description="URL of another Blob service")

    @model_validator(mode="after")
    def _one_cloud(self) -> Self:
        s3 = self.fallback_aws_s3_config_bucket or self.fallback_aws_s3_resource_bucket
        azure = self.fallback_azure_blob_config_container or self.fallback_azure_blob_resource_container
        if s3 and azure:
            raise ValueError("copies are kept in S3 or in Azure Blob, not in both: give buckets or containers")
        if azure and not self.fallback_azure_blob_account_name:
            raise ValueError("--fallback-azure-blob-account-name is missing")
        return self


class BackupSettings(KeySettings, FallbackSettings):
    """`gatefleet backup`: keeps copies of every gateway group in a bucket, for nodes and for you."""

    model_config: ClassVar[SettingsConfigDict] = config("backup")

    dsn: SecretStr = Field(description="PostgreSQL, for example postgresql://user:password@host:5432/gatefleet")
    keep: int = Field(20, ge=1, description="Copies of each kind that are kept per gateway group, the newest")
    bind: str = Field("0.0.0.0", description="Address of status and metrics")  # noqa: S104  (asked from elsewhere)
    status_port: int = Field(7951, ge=1, le=65535, description="Port of /healthz and /metrics")
    log_format: str = Field("console", pattern="^(console|json)$", description="console or json")


class BackupsSettings(KeySettings, FallbackSettings):
    """`gatefleet backups`: list the copies of resources, or print one as a file that `apply` takes."""

    model_config: ClassVar[SettingsConfigDict] = config("backup")

    group: str | None = Field(None, description="Print this gateway group's resources; unset: list what there is")
    revision: int | None = Field(None, ge=0, description="As they were at this revision; unset: the newest")


class NodeSettings(FallbackSettings):
    """`gatefleet node`: one Envoy and the agent that feeds it."""

    model_config: ClassVar[SettingsConfigDict] = config("node")

    dp_manager: Listed = Field(
        (),
        description="Address of the DP Manager, for example https://host:7943; of several one after the other is tried",
    )
    token: SecretStr | None = Field(None, description="Join token; it names the gateway group")
    token_file: Path | None = Field(None, description="File that holds the join token")
    bundle: Path | None = Field(None, description="Join bundle: certificate, CA and keys in one file")
    cert: Path | None = Field(None, description="Client certificate (PEM) instead of a token")
    key: Path | None = Field(None, description="Private key (PEM) of the client certificate")
    ca: Path | None = Field(None, description="CA of the DP Manager (PEM)")
    peer: Listed = Field(
        (), description="Other nodes of the group, host:7944, asked for a configuration while no DP Manager answers"
    )
    peer_port: int | None = Field(
        None, ge=1, le=65535, description="Port where nodes of the group get the configuration; unset: not served"
    )
    data_dir: Path = Field(Path("data/node"), description="Where identity and the last configuration are kept")
    port_offset: int = Field(0, ge=0, le=60000, description="Added to every port of this node")
    bind: str = Field("0.0.0.0", description="Address that traffic is taken on")  # noqa: S104  (a gateway is public)
    status_bind: str | None = Field(None, description="Address of status and metrics; unset: as --bind")
    status_port: int = Field(7085, ge=1, le=65535, description="Port of /status and /status/ready, before the offset")
    metrics_port: int = Field(9091, ge=1, le=65535, description="Port of the metrics, before the offset")
    labels: Annotated[Mapping[str, str] | None, NoDecode, BeforeValidator(labels_of)] = Field(
        None, description="What to call this node, for example env=canary,zone=a; rings choose nodes by labels"
    )
    secret_ttl: float = Field(300, ge=1, description="Seconds until a secret kept outside is asked for anew")
    drain_timeout: float = Field(10, ge=0, description="Seconds that connections get to finish when asked to stop")
    outbound_deny: Networks = Field(
        DENIED, description="Networks that nothing configured is connected to: by default cloud metadata, link-local"
    )
    log_files: Path = Field(Path("/"), description="Directory below which the plugin file-logger may write")
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
