"""A port for health and metrics, plain HTTP, beside what a role does."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator

import uvicorn
from starlette.applications import Starlette

from gatefleet.errors import GatefleetError


@contextlib.asynccontextmanager
async def status_port(app: Starlette, bind: str, port: int, option: str) -> AsyncGenerator[None]:
    """Serve `app` meanwhile; `option` is what moves the port. GatefleetError when the port cannot be had."""
    listening = _listen(bind, port, option)
    server = _Quiet(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve([listening]), name="status")
    try:
        yield
    finally:
        server.should_exit = True
        await task
        listening.close()


class _Quiet(uvicorn.Server):
    """Uvicorn without its own signal handlers: the process has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _listen(bind: str, port: int, option: str) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((bind, port))
    except OSError as error:
        listening.close()
        raise GatefleetError(
            f"port {port} on {bind} cannot be had ({error.strerror}): stop what listens there, or choose another with "
            f"{option}"
        ) from error
    return listening
