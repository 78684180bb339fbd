"""A stand-in for service registries: one table of instances in the words of Nacos, Consul, Kubernetes, Eureka, DNS."""

import json
import socket
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

USER, PASSWORD, TOKEN = "nacos", "let me in", "a-token-of-the-stand-in"


@dataclass
class Instance:
    """One instance of the one service there is, `web`."""

    port: int
    healthy: bool = True
    metadata: dict[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"


@dataclass
class Standin:
    """What the registries know, and where they are."""

    instances: list[Instance]
    http_port: int = 0
    dns_port: int = 0
    refused: list[str] = field(default_factory=list)
    """Requests that did not bring the right credentials."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"


@contextmanager
def standin(*instances: Instance, http_port: int = 0) -> Iterator[Standin]:
    """Registries that run until the end."""
    known = Standin(list(instances))
    handler = type("Handler", (_Handler,), {"known": known})
    with ThreadingHTTPServer(("127.0.0.1", http_port), handler) as server, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        known.http_port, known.dns_port = server.server_port, udp.getsockname()[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        threading.Thread(target=_answer_dns, args=(udp, known), daemon=True).start()
        yield known
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # so that nothing answers any more once it is stopped
    known: Standin

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        body = parse_qs(said or urlsplit(self.path).query)
        right = body.get("username") == [USER] and body.get("password") == [PASSWORD]
        if "/auth/login" in self.path and right:
            self._say({"accessToken": TOKEN, "tokenTtl": 18000})
        else:
            self._refuse()

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
        parts = split.path.strip("/").split("/")
        if split.path.endswith("/ns/instance/list"):
            self._nacos(query, version=parts[1])
        elif parts[:3] == ["v1", "health", "service"]:
            self._consul(parts[3])
        elif parts[:2] == ["apis", "discovery.k8s.io"]:
            self._kubernetes(parts[4], query)
        elif parts[:2] == ["eureka", "apps"]:
            self._eureka(parts[2])
        else:
            self._say({"error": "no such thing"}, 404)

    def _nacos(self, query: dict[str, str], version: str) -> None:
        if query.get("accessToken") != TOKEN:
            self._refuse()
            return
        ours = (query["serviceName"], query["groupName"], query["namespaceId"]) == ("web", "team", "dev")
        hosts = [
            {"ip": one.host, "port": one.port, "weight": 1.0, "healthy": one.healthy, "enabled": True,
             "metadata": one.metadata}
            for one in self.known.instances if ours
        ]  # fmt: skip
        self._say({"hosts": hosts} if version == "v1" else {"code": 0, "data": {"hosts": hosts}})

    def _consul(self, name: str) -> None:
        if self.headers.get("X-Consul-Token") != TOKEN:
            self._refuse()
            return
        self._say(
            [
                {"Node": {"Address": one.host}, "Service": {"Address": "", "Port": one.port, "Meta": one.metadata}}
                for one in self.known.instances
                if one.healthy and name == "web"
            ]
        )

    def _kubernetes(self, namespace: str, query: dict[str, str]) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._refuse()
            return
        ours = namespace == "dev" and query.get("labelSelector") == "kubernetes.io/service-name=web"
        self._say(
            {
                "kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1", "metadata": {},
                "items": [
                    {"addressType": "IPv4", "metadata": {},
                     "ports": [{"name": "admin", "port": 1}, {"name": "http", "port": one.port}],
                     "endpoints": [{"addresses": [one.host], "conditions": {"ready": one.healthy}}]}
                    for one in self.known.instances if ours
                ]
            }
        )  # fmt: skip

    def _eureka(self, name: str) -> None:
        """As Eureka: XML for those who do not ask for JSON, names in capitals."""
        instances = [
            {"instanceId": f"{one.host}:{one.port}", "ipAddr": one.host, "status": "UP" if one.healthy else "DOWN",
             "metadata": one.metadata, "port": {"$": one.port, "@enabled": "true"}}
            for one in self.known.instances
        ]  # fmt: skip
        if name.upper() != "WEB":
            self._say({}, 404)
        elif "json" in (self.headers.get("Accept") or ""):
            self._say({"application": {"name": "WEB", "instance": instances}})
        else:
            self._send(_eureka_xml(instances), 200, "application/xml")

    def _refuse(self) -> None:
        self.known.refused.append(self.path)
        self._say({"message": "who are you?"}, 403)

    def _say(self, body: Any, status: int = 200) -> None:
        self._send(json.dumps(body).encode(), status, "application/json")

    def _send(self, raw: bytes, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("X-Consul-Index", "1")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Says nothing."""


def _eureka_xml(instances: list[dict[str, Any]]) -> bytes:
    root = ET.Element("application")
    ET.SubElement(root, "name").text = "WEB"
    for one in instances:
        node = ET.SubElement(root, "instance")
        for name in ("instanceId", "ipAddr", "status"):
            ET.SubElement(node, name).text = one[name]
        port = ET.SubElement(node, "port", enabled="true")
        port.text = str(one["port"]["$"])
        metadata = ET.SubElement(node, "metadata")
        for key, value in one["metadata"].items():
            ET.SubElement(metadata, key).text = value
    return ET.tostring(root)


def _answer_dns(udp: socket.socket, known: Standin) -> None:
    """`_web._tcp.dev.test` has SRV records, `web.dev.test` an address."""
    while True:
        try:
            raw, asker = udp.recvfrom(4096)
        except OSError:
            return
        question = dns.message.from_wire(raw)
        answer = dns.message.make_response(question)
        name, kind = question.question[0].name, question.question[0].rdtype
        up = [one for one in known.instances if one.healthy]
        if str(name) == "_web._tcp.dev.test." and kind == dns.rdatatype.SRV:
            records = [f"1 1 {one.port} {one.host.replace('.', '-')}.dev.test." for one in up]
            answer.answer.append(dns.rrset.from_text_list(name, 1, "IN", "SRV", records))
        elif str(name) == "web.dev.test." and kind == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text_list(name, 1, "IN", "A", sorted({one.host for one in up})))
        elif str(name) != "web.dev.test.":
            answer.set_rcode(dns.rcode.NXDOMAIN)
        udp.sendto(answer.to_wire(), asker)
