"""The DP Manager's process: store, groups, gRPC on a private socket, the TLS front before it, status beside it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc.aio
import structlog

from gatefleet.dpm.front import Front
from gatefleet.dpm.groups import Groups
from gatefleet.dpm.keeper import Keeper
from gatefleet.dpm.leader import Leader, jobs
from gatefleet.dpm.reports import Reports
from gatefleet.dpm.request_tests import RequestTests
from gatefleet.dpm.service import Service
from gatefleet.dpm.status import status_app
from gatefleet.dpm.telemetry import Intake
from gatefleet.errors import Unreachable
from gatefleet.outbound import Outbound
from gatefleet.plugins import registry
from gatefleet.rundir import private_dir, remove
from gatefleet.settings import DpmSettings
from gatefleet.status_port import status_port
from gatefleet.store import Store, check, master_key
from gatefleet.store.database import connect
from gatefleet.xds.server import Server
from gatefleet.xds.wire import UNLIMITED

log = structlog.stdlib.get_logger(__name__)


async def run(settings: DpmSettings) -> None:
    """Serve until cancelled, then stop within `shutdown_seconds` and a little more.

    Waits for PostgreSQL at start. GatefleetError when a port is taken or the database is of another version.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        store = await _open(settings)
        stack.push_async_callback(store.close)
        server = Server()
        groups = Groups(store, server, settings.dsn.get_secret_value())
        directory = private_dir("dpm", settings.data_dir)
        stack.callback(remove, directory)
        front = Front(directory, bind=settings.bind, port=settings.tls_port, log=settings.data_dir / "front.log")
        keeper = Keeper(settings, store, server, front)
        reports, intake = Reports(store), Intake(store)
        tests = RequestTests(store, server, settings.dsn.get_secret_value())
        work = jobs(
            store,
            settings.history_days,
            settings.history_revisions,
            settings.audit_days,
            Outbound(settings.outbound_deny),
        )
        leader = Leader(settings.dsn.get_secret_value(), work)
        service = Service(store, groups, keeper.callers, reports, intake, settings.addresses)
        await stack.enter_async_context(_grpc(settings, front, server, service))
        stack.push_async_callback(front.stop)
        await keeper.turn()
        app = status_app(groups, leader, front)
        await stack.enter_async_context(
            status_port(app, settings.bind, settings.http_port, "--http-port (or --port-offset)")
        )
        log.info("dp manager ready", nodes=f"{settings.bind}:{settings.tls_port}", status=settings.http_port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(groups.run())
            tasks.create_task(keeper.run())
            tasks.create_task(reports.run())
            tasks.create_task(intake.run())
            tasks.create_task(leader.run())
            tasks.create_task(tests.run())
            # the first change with a plugin would wait a second for all of them to be loaded
            tasks.create_task(asyncio.to_thread(registry))


async def _open(settings: DpmSettings) -> Store:
    key, dsn = master_key(settings), settings.dsn.get_secret_value()
    while True:
        engine = connect(dsn, pool_size=1)
        try:
            await check(engine)
            return await Store.open(dsn, key, pool_size=settings.pool_size)
        except Unreachable as error:
            log.warning("waiting for postgresql", reason=str(error))
            await asyncio.sleep(1)
        finally:
            await engine.dispose()


@asynccontextmanager
async def _grpc(settings: DpmSettings, front: Front, server: Server, service: Service) -> AsyncGenerator[None]:
    """The gRPC services on the front's socket."""
    listener = grpc.aio.server(options=(*UNLIMITED, ("grpc.http2.max_ping_strikes", 0)))
    listener.add_generic_rpc_handlers((service.handler(), *server.handlers(service.group_of, service.names_of)))
    listener.add_insecure_port(f"unix:{front.socket}")
    await listener.start()
    try:
        yield
    finally:
        await listener.stop(settings.shutdown_seconds)
