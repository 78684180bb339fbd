"""Requests byte by byte as a case writes them: no library changes the case of a host or the order of headers."""

import contextlib
import http.client
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered; headers in their order, names in lower case. Status 0: it closed without a word."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    more: bytes = b""
    """What came back on an upgraded connection."""

    def of(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]


def send(port: int, request: Mapping[str, Any], host: str) -> Answer:
    """One request on a connection of its own; `request` as README.md describes it."""
    if request.get("grpc"):
        return _call(port, request, host)
    method = request.get("method", "GET")
    source = (request.get("from", "127.0.0.1"), 0)
    with socket.create_connection(("127.0.0.1", port), timeout=20, source_address=source) as connection:
        connection.sendall(_bytes(method, request, host))
        with contextlib.closing(http.client.HTTPResponse(connection, method=method)) as answer:
            try:
                answer.begin()
            except (ConnectionError, http.client.BadStatusLine):
                return Answer(0, (), b"")
            headers = tuple((name.lower(), value) for name, value in answer.getheaders())
            if answer.status == http.client.SWITCHING_PROTOCOLS:
                return Answer(101, headers, b"", _exchange(connection, request.get("then_send", "")))
            return Answer(answer.status, headers, _rest(answer))


def _call(port: int, request: Mapping[str, Any], host: str) -> Answer:
    """One call; the header `grpc-status` is its outcome, whoever said it."""
    metadata = [(name.lower(), str(value)) for name, value in (request.get("headers") or {}).items()]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.default_authority", host)]) as channel:
        method = channel.unary_unary(request["path"])
        try:
            body, call = method.with_call(_body(request), metadata=metadata, timeout=10)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return Answer(200, (("grpc-status", str(code.value[0])),), (error.details() or "").encode())
    return Answer(200, (("grpc-status", "0"), *((key, str(value)) for key, value in call.initial_metadata())), body)


def _bytes(method: str, request: Mapping[str, Any], host: str) -> bytes:
    if "raw" in request:
        return str(request["raw"]).replace("\n", "\r\n").encode("latin-1")
    body = _body(request)
    given: dict[str, Any] = request.get("headers") or {}
    names = {name.lower() for name in given}
    version = str(request.get("http", "1.1"))
    lines = [f"{method} {request['path']} HTTP/{version}"]
    lines += [f"Host: {request.get('host', host)}"] if "host" not in names and version != "1.0" else []
    lines += [
        f"{name}: {one}" for name, value in given.items() for one in (value if isinstance(value, list) else [value])
    ]
    lines += [f"Content-Length: {len(body)}"] if body and not {"content-length", "transfer-encoding"} & names else []
    lines += ["Connection: close"] if "connection" not in names else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def _body(request: Mapping[str, Any]) -> bytes:
    body = request.get("body", "")
    if isinstance(body, str):
        return body.encode()
    return b"x" * int(body["size"])


def _rest(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read()
    except http.client.IncompleteRead as error:
        return error.partial


def _exchange(connection: socket.socket, text: str) -> bytes:
    connection.sendall(text.encode())
    return connection.recv(4096) if text else b""
