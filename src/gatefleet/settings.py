"""The settings of every role: one frozen class each, read once from the environment and passed as an argument."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def config(role: str) -> SettingsConfigDict:
    """The model configuration of a role's settings: each field is the variable GATEFLEET_<ROLE>_<FIELD>."""
    return SettingsConfigDict(env_prefix=f"GATEFLEET_{role.upper()}_", frozen=True, extra="ignore")


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
    pool_size: int = Field(10, ge=1, description="Connections to PostgreSQL kept open")
    shutdown_seconds: float = Field(10, gt=0, description="How long running requests may take when asked to stop")
    log_format: str = Field("console", pattern="^(console|json)$", description="console or json")
