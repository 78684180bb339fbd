"""Where `gatefleet up` keeps what, and on which ports its parts listen."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gatefleet.settings import AdminSettings, DpmSettings, NodeSettings, UpSettings
from gatefleet.up.places import Port

GATEWAY_HTTP: Final = 9080
GATEWAY_HTTPS: Final = 9443


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one data directory."""

    directory: Path

    @property
    def encryption_key(self) -> Path:
        return self.directory / "encryption.key"

    @property
    def node(self) -> Path:
        return self.directory / "node"

    @property
    def node_identity(self) -> Path:
        return self.node / "identity.json"

    @property
    def node_token(self) -> Path:
        return self.directory / "node.token"


@dataclass(frozen=True, slots=True)
class Ports:
    """Every port of one `gatefleet up`, the offset added."""

    admin_http: int
    admin_https: int
    admin_status: int
    dpm_http: int
    dpm_tls: int
    gateway_http: int
    gateway_https: int
    node_status: int
    metrics: int

    def told(self) -> tuple[Port, ...]:
        """With who needs each."""
        return (
            Port(self.admin_http, "Dashboard and Admin API, http"),
            Port(self.admin_https, "Dashboard and Admin API, https"),
            Port(self.admin_status, "status of admin"),
            Port(self.dpm_http, "status of the DP Manager"),
            Port(self.dpm_tls, "DP Manager, for nodes"),
            Port(self.gateway_http, "gateway, http"),
            Port(self.gateway_https, "gateway, https"),
            Port(self.node_status, "status of the node"),
            Port(self.metrics, "metrics of the node"),
        )


def ports(offset: int) -> Ports:
    """The default ports of all roles, raised by `offset`."""

    def port(kind: type[AdminSettings] | type[DpmSettings] | type[NodeSettings], name: str) -> int:
        return int(kind.model_fields[name].default) + offset

    return Ports(
        admin_http=port(AdminSettings, "http_port"),
        admin_https=port(AdminSettings, "https_port"),
        admin_status=port(AdminSettings, "status_port"),
        dpm_http=port(DpmSettings, "http_port"),
        dpm_tls=port(DpmSettings, "tls_port"),
        gateway_http=GATEWAY_HTTP + offset,
        gateway_https=GATEWAY_HTTPS + offset,
        node_status=port(NodeSettings, "status_port"),
        metrics=port(NodeSettings, "metrics_port"),
    )


def reachable(bind: str) -> str:
    """The address to call when listening on `bind`, ready for a URL."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104  (compared, not listened on)
    return f"[{host}]" if ":" in host else host


def environments(settings: UpSettings, layout: Layout, dsn: str) -> dict[str, dict[str, str]]:
    """The environment of each role."""
    at, d = ports(settings.port_offset), layout.directory
    manager = f"https://{reachable(settings.bind)}:{at.dpm_tls}"
    admin = {
        "dsn": dsn, "encryption_key_file": layout.encryption_key, "data_dir": d / "admin", "http_port": at.admin_http,
        "https_port": at.admin_https, "status_port": at.admin_status, "shutdown_seconds": 5,
        "tls_cert": settings.tls_cert and settings.tls_cert.resolve(),
        "tls_key": settings.tls_key and settings.tls_key.resolve(),
    }  # fmt: skip
    dpm = {
        "dsn": dsn, "encryption_key_file": layout.encryption_key, "data_dir": d / "dpm", "http_port": at.dpm_http,
        "tls_port": at.dpm_tls, "addresses": manager, "shutdown_seconds": 1,
    }  # fmt: skip
    node = {
        "dp_manager": manager, "data_dir": layout.node, "port_offset": settings.port_offset,
        "token_file": layout.node_token if layout.node_token.exists() else None,
        "drain_timeout": settings.drain_timeout, "envoy_concurrency": settings.envoy_concurrency,
    }  # fmt: skip
    shared = {"bind": settings.bind, "log_format": settings.log_format}
    return {role: _variables(role, {**shared, **own}) for role, own in (("admin", admin), ("dpm", dpm), ("node", node))}


def _variables(role: str, fields: dict[str, object]) -> dict[str, str]:
    return {f"GATEFLEET_{role}_{name}".upper(): str(value) for name, value in fields.items() if value is not None}
