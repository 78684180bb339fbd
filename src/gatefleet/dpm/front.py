"""The TLS front: a small Envoy on the port nodes connect to.

gRPC's own server knows no revocation list and can only always or never ask for a client certificate. Here one is
optional and must be ours when it is shown; what it says is passed on in a header that callers cannot set.
Certificates and the revocation list are files which Envoy reads again when they are replaced.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gatefleet import fleet, pki
from gatefleet.envoy import binary
from gatefleet.envoy.process import EnvoyProcess, Options
from gatefleet.errors import GatefleetError
from gatefleet.files import write_private
from gatefleet.pki import Pair
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.bootstrap.v3 import Bootstrap
from gatefleet.protos.envoy.config.cluster.v3 import Cluster
from gatefleet.protos.envoy.config.listener.v3 import FilterChain, Listener
from gatefleet.protos.envoy.extensions.filters.http.router.v3 import Router
from gatefleet.protos.envoy.extensions.filters.listener.tls_inspector.v3 import TlsInspector
from gatefleet.protos.envoy.extensions.filters.network.http_connection_manager.v3 import HttpConnectionManager
from gatefleet.protos.envoy.extensions.transport_sockets.tls.v3 import DownstreamTlsContext, Secret
from gatefleet.protos.envoy.extensions.upstreams.http.v3 import HttpProtocolOptions
from gatefleet.protos.envoy.service.discovery.v3 import DiscoveryResponse
from gatefleet.xds.wire import OWN_SERVICE, SERVICE

if TYPE_CHECKING:
    from gatefleet.protos.envoy.config.route.v3 import RouteConfiguration

OWN: Final = "own"
GIVEN: Final = "given"
CLIENTS: Final = "clients"
_STREAMS: Final = (f"/{SERVICE}/", f"/{OWN_SERVICE}/", fleet.HEARTBEATS)
"""What begins so stays open."""
_STREAM_WINDOW: Final = 1 << 20
"""Bytes that may wait in the front for one slow node."""
_ALL_WINDOWS: Final = (1 << 31) - 1


class Front:
    """The front's files and its process. `directory` is private, short, and holds this process's socket `dpm.sock`."""

    def __init__(self, directory: Path, *, bind: str, port: int, log: Path) -> None:
        self.directory, self.bind, self.port = directory, bind, port
        self._files: dict[str, bytes] = {}
        self._shown = ""
        self._options = Options(directory / "front.pb", directory / "admin.sock", directory, concurrency=1, log=log)
        self.process = EnvoyProcess(self._options)

    @property
    def socket(self) -> Path:
        """Where this process has to listen for gRPC."""
        return self.directory / "dpm.sock"

    async def show(self, ca_certificates: str) -> None:
        """Start it, or again if these are not what it shows; certificates and clients have to be set before.

        GatefleetError when the port is taken.
        """
        if ca_certificates == self._shown:
            return
        if self._shown:  # they stand in its bootstrap, and change every other year
            await self.stop()
            self.process = EnvoyProcess(self._options)
        binary.write(bootstrap(self.directory, self.bind, self.port, ca_certificates), self.directory / "front.pb")
        try:
            await self.process.start()
        except GatefleetError as error:
            if "in use" in str(error):
                raise GatefleetError(
                    f"port {self.port} on {self.bind} is taken: stop what listens there, or choose another with "
                    "--tls-port (or --port-offset)"
                ) from error
            raise
        self._shown = ca_certificates

    async def stop(self) -> None:
        await self.process.stop(0)

    def set_certificate(self, name: str, pair: Pair) -> None:
        """Use another certificate from the next handshake on."""
        secret = {
            "certificate_chain": {"inline_string": pair.certificate},
            "private_key": {"inline_string": pair.key},
        }
        self._write(Secret(name=name, tls_certificate=secret))

    def set_clients(self, ca_certificate: str, revocation_list: str) -> None:
        """Whose client certificates are taken, less the revoked ones (PEM, may be empty)."""
        context: dict[str, Any] = {"trusted_ca": {"inline_string": ca_certificate}}
        if revocation_list:
            context["crl"] = {"inline_string": revocation_list}
            context["only_verify_leaf_cert_crl"] = True  # an operator's authority may stand below others, without lists
        self._write(Secret(name=CLIENTS, validation_context=context))

    def _write(self, secret: Secret) -> None:
        body = DiscoveryResponse(resources=[pack(secret)]).SerializeToString(deterministic=True)
        if self._files.get(secret.name) != body:
            write_private(self.directory / f"{secret.name}.pb", body)
            self._files[secret.name] = body


def bootstrap(directory: Path, bind: str, port: int, ca_certificate: str) -> Bootstrap:
    """The front's whole configuration."""
    chains = (
        _chain(directory, OWN, ca_certificate, names=(pki.SERVER_NAME,)),
        _chain(directory, GIVEN, ca_certificate, names=()),
    )
    return Bootstrap(
        node={"id": "dpm-front", "cluster": "gatefleet"},
        admin={"address": {"pipe": {"path": str(directory / "admin.sock"), "mode": 0o600}}},
        static_resources={
            "listeners": [
                Listener(
                    name="tls",
                    address={"socket_address": {"address": bind, "port_value": port}},
                    enable_reuse_port={"value": False},  # with it a second process would share the port unnoticed
                    per_connection_buffer_limit_bytes={"value": _STREAM_WINDOW},
                    listener_filters=[{"name": "tls_inspector", "typed_config": pack(TlsInspector())}],
                    filter_chains=chains[:1],
                    default_filter_chain=chains[1],
                )
            ],
            "clusters": [_cluster(directory)],
        },
    )


def _chain(directory: Path, certificate: str, ca_certificate: str, *, names: Sequence[str]) -> FilterChain:
    return FilterChain(
        name=certificate,
        filter_chain_match={"server_names": names} if names else None,
        transport_socket={"name": "tls", "typed_config": pack(_tls(directory, certificate))},
        filters=[{"name": "http", "typed_config": pack(_http(ca_certificate))}],
    )


def _tls(directory: Path, certificate: str) -> DownstreamTlsContext:
    return DownstreamTlsContext(
        common_tls_context={
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificate_sds_secret_configs": [_file(directory, certificate)],
            "validation_context_sds_secret_config": _file(directory, CLIENTS),
        },
        require_client_certificate={"value": False},
        # A resumed session would skip the revocation list.
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
    )


def _file(directory: Path, name: str) -> dict[str, Any]:
    source = {"path": str(directory / f"{name}.pb")}
    return {"name": name, "sds_config": {"path_config_source": source, "resource_api_version": "V3"}}


def _http(ca_certificate: str) -> HttpConnectionManager:
    return HttpConnectionManager(
        stat_prefix="front",
        route_config=_routes(ca_certificate),
        http_filters=[{"name": "router", "typed_config": pack(Router(suppress_envoy_headers=True))}],
        forward_client_cert_details="SANITIZE_SET",
        set_current_client_cert_details={"uri": True},
        use_remote_address={"value": True},
        stream_idle_timeout={},
        http2_protocol_options={
            "initial_stream_window_size": {"value": _STREAM_WINDOW},
            # A node that vanished without a word is noticed by its unanswered pings.
            "connection_keepalive": {"interval": {"seconds": 15}, "timeout": {"seconds": 10}},
        },
    )


def _routes(ca_certificate: str) -> "RouteConfiguration | dict[str, Any]":
    to_us = {"cluster": "dpm"}
    stream: dict[str, Any] = {**to_us, "timeout": {}, "idle_timeout": {}}
    return {
        "name": "front",
        "virtual_hosts": [
            {
                "name": "front",
                "domains": ["*"],
                "routes": [
                    {
                        "match": {"path": fleet.CA_PATH},
                        "direct_response": {"status": 200, "body": {"inline_string": ca_certificate}},
                    },
                    *({"match": {"prefix": path}, "route": stream} for path in _STREAMS),
                    {"match": {"prefix": f"/{fleet.SERVICE}/"}, "route": {**to_us, "timeout": {"seconds": 15}}},
                ],
            }
        ],
    }


def _cluster(directory: Path) -> Cluster:
    http2 = {
        "initial_stream_window_size": {"value": _STREAM_WINDOW},
        "initial_connection_window_size": {"value": _ALL_WINDOWS},
        "max_concurrent_streams": {"value": 100_000},
    }
    many = {"value": 100_000}
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(directory / "dpm.sock")}}}}
    return Cluster(
        name="dpm",
        type="STATIC",
        connect_timeout={"seconds": 1},
        circuit_breakers={
            "thresholds": [{"max_connections": many, "max_requests": many, "max_pending_requests": many}]
        },
        typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": pack(
                HttpProtocolOptions(explicit_http_config={"http2_protocol_options": http2})
            )
        },
        load_assignment={"cluster_name": "dpm", "endpoints": [{"lb_endpoints": [endpoint]}]},
    )
