"""Serving the Admin API on http and https, with a certificate that is read again when its files change."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import structlog
import uvicorn
from argon2 import PasswordHasher
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gatefleet import pki
from gatefleet.admin.app import Logged, create_api
from gatefleet.admin.bootstrap import FIRST_PASSWORD, FIRST_USER, ensure_first_user
from gatefleet.admin.dashboard import Dashboard
from gatefleet.admin.gate import Gate
from gatefleet.admin.metrics import Metrics
from gatefleet.admin.passwords import Passwords
from gatefleet.admin.web import Control
from gatefleet.errors import GatefleetError, Unreachable
from gatefleet.files import write_private
from gatefleet.settings import AdminSettings
from gatefleet.store import Store, check, master_key
from gatefleet.store.database import connect

log = structlog.get_logger("gatefleet.admin")
WATCH_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 30.0
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2, those with forward secrecy and authenticated encryption (RFC 9325, 4.2); TLS 1.3 has no others."""
SELF_SIGNED_NAMES: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the Admin API really listens."""

    http: int
    https: int
    status: int | None


class Server(uvicorn.Server):
    """A listener that says when it is up, and leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def run(settings: AdminSettings, told: asyncio.Event) -> None:
    """Serve until `told` is set, and for `drain_seconds` more; then finish what is running, for `shutdown_seconds`."""
    async with serving(settings, told):
        await told.wait()
        log.info("stopping")
        await asyncio.sleep(settings.drain_seconds)


@contextlib.asynccontextmanager
async def serving(settings: AdminSettings, told: asyncio.Event | None = None) -> AsyncGenerator[Ports]:
    """The Admin API while the block runs; not ready any more once `told` is set.

    GatefleetError says what to do about a taken port or a database not ready.
    """
    wanted = {"http": settings.http_port, "https": settings.https_port, "status": settings.status_port}
    async with contextlib.AsyncExitStack() as stack:
        sockets = {
            name: stack.enter_context(bound(settings.bind, port, f"--{name}-port"))
            for name, port in wanted.items()
            if port is not None
        }
        ports = {name: listener.getsockname()[1] for name, listener in sockets.items()}
        store = await open_store(settings)
        stack.push_async_callback(store.close)
        passwords = Passwords(time.monotonic, PasswordHasher())
        if await ensure_first_user(store, passwords):
            log.warning("first start: log in and change the password", user=FIRST_USER, password=FIRST_PASSWORD)
        metrics = Metrics()
        api = create_api(Control(store, settings, passwords, told or asyncio.Event()))
        certificate, key = certificate_files(settings)
        app = guarded(api, settings, metrics)
        secure = server(settings, app, certificate, key)
        servers = [
            (server(settings, app), sockets["http"]),
            (secure, sockets["https"]),
            *([(server(settings, metrics.app(api)), sockets["status"])] if "status" in sockets else []),
        ]
        async with _running(servers, secure, certificate, key):
            log.info("serving", bind=settings.bind, **ports)
            yield Ports(ports["http"], ports["https"], ports.get("status"))


def guarded(api: ASGIApp, settings: AdminSettings, metrics: Metrics) -> ASGIApp:
    """Dashboard and API behind what knows where requests come from, writes them down, and lets only some of them in."""
    app = Logged(Gate(Dashboard(api), settings, time.monotonic), metrics)
    if not settings.trusted_proxies:
        return app
    return cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", app), list(settings.trusted_proxies)))


async def open_store(settings: AdminSettings) -> Store:
    """The store of a database at this version; waits half a minute for PostgreSQL to answer."""
    key = master_key(settings)
    dsn = settings.dsn.get_secret_value()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        engine = connect(dsn, pool_size=1)
        try:
            await check(engine)
            return await Store.open(dsn, key, pool_size=settings.pool_size)
        except Unreachable:
            if time.monotonic() > deadline:
                raise
            log.warning("PostgreSQL does not answer yet; trying again")
            await asyncio.sleep(1)
        finally:
            await engine.dispose()


def bound(address: str, port: int, option: str) -> socket.socket:
    """A listening address; GatefleetError naming the option if it cannot be had."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise GatefleetError(
            f"cannot listen on {address}:{port} ({error.strerror}): stop what uses it or choose another with {option}"
        ) from error
    return listener


def server(settings: AdminSettings, app: ASGIApp, certificate: Path | None = None, key: Path | None = None) -> Server:
    """One listener's server."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=max(1, int(settings.shutdown_seconds)),
        ssl_certfile=certificate,
        ssl_keyfile=key,
        ssl_ciphers=CIPHERS,
    )
    config.load()
    if config.ssl:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return Server(config)


def certificate_files(settings: AdminSettings) -> tuple[Path, Path]:
    """The certificate and key to serve; a self-signed pair is made and kept if none is given."""
    if settings.tls_cert and settings.tls_key:
        try:
            _load(settings.tls_cert, settings.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise GatefleetError(f"cannot use --tls-cert [{settings.tls_cert}] with its key: {error}") from error
        return settings.tls_cert, settings.tls_key
    if settings.tls_cert or settings.tls_key:
        raise GatefleetError("--tls-cert and --tls-key belong together: give both or none")
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    certificate, key = settings.data_dir / "self-signed.crt", settings.data_dir / "self-signed.key"
    if not (certificate.exists() and key.exists()):
        pair = pki.self_signed({*SELF_SIGNED_NAMES, settings.bind}, datetime.now(UTC))
        write_private(key, pair.key)
        write_private(certificate, pair.certificate)
    return certificate, key


@contextlib.asynccontextmanager
async def _running(
    servers: list[tuple[Server, socket.socket]], secure: Server, certificate: Path, key: Path
) -> AsyncGenerator[None]:
    tasks = [asyncio.create_task(each.serve(sockets=[listener])) for each, listener in servers]
    watcher = asyncio.create_task(_watch(secure, certificate, key))
    try:
        await asyncio.gather(*(each.up.wait() for each, _ in servers))
        yield
    finally:
        watcher.cancel()
        for each, _ in servers:
            each.should_exit = True
        await asyncio.gather(*tasks)


async def _watch(secure: Server, certificate: Path, key: Path) -> None:
    """Take a changed certificate for new connections; one that cannot be used is left alone, and said so."""
    seen = _stamp(certificate, key)
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        now = _stamp(certificate, key)
        if now == seen:
            continue
        seen = now
        try:
            _load(certificate, key)  # in a context of its own first: a pair that does not fit spoils the context
            if secure.config.ssl:
                secure.config.ssl.load_cert_chain(certificate, key)
            log.info("the certificate was read again", certificate=str(certificate))
        except (OSError, ssl.SSLError) as error:
            log.warning("the changed certificate cannot be used; the old one stays", reason=str(error))


def _load(certificate: Path, key: Path) -> None:
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)


def _stamp(*files: Path) -> tuple[tuple[int, int, int], ...]:
    stats = [file.stat() for file in files if file.exists()]
    return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats)
