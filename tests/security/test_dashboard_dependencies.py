"""The packages that the Dashboard brings to browsers are listed, and asked about by those who know of holes in them."""

import gzip
import json
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote

import pytest

from tools.dashboard_dependencies import audit, sbom

ADVISORY = {"id": 1, "url": "https://a.test/1", "title": "A hole", "severity": "high", "vulnerable_versions": ">0"}


@contextmanager
def registry(known: dict[str, Any]) -> Generator[tuple[str, list[str]]]:
    """A registry that knows these advisories by package: its address, and the packages it was asked about."""
    asked = list[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            packed = self.headers.get("content-encoding") == "gzip"
            asked.extend(json.loads(gzip.decompress(body) if packed else body))
            self.answer({name: known[name] for name in known.keys() & set(asked)})

        def do_GET(self) -> None:
            self.answer({"name": unquote(self.path[1:]), "versions": {}, "dist-tags": {}})

        def answer(self, body: Any) -> None:
            text = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any, **__: Any) -> None:
            """Nothing of interest."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    server.server_close()


def test_a_known_hole_in_a_package_of_the_dashboard_fails_the_build(capsys: pytest.CaptureFixture[str]) -> None:
    with registry({"react": [ADVISORY], "vite": [ADVISORY]}) as (url, asked):
        assert audit("--registry", url) == 1
    assert "react" in asked
    assert "vite" not in asked, "what only builds the pages reaches nobody's browser"
    assert "react >0: A hole (high), https://a.test/1" in capsys.readouterr().out
    with registry({}) as (url, _):
        assert audit("--registry", url) == 0
    assert capsys.readouterr().out == "no known vulnerabilities in the Dashboard\n"


def test_a_registry_that_cannot_be_asked_is_said_and_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit("--registry", "http://127.0.0.1:9/") == 0
    assert "was not audited" in capsys.readouterr().out


def test_the_bill_of_materials_names_each_package_once_and_stays_the_same(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert (sbom(str(one)), sbom(str(two))) == (0, 0)
    assert one.read_bytes() == two.read_bytes()
    found = json.loads(one.read_bytes())
    scopes = {component["name"]: component["scope"] for component in found["components"]}
    names = [component["purl"] for component in found["components"]]
    assert found["metadata"]["component"]["name"] == "gatefleet-dashboard"
    assert len(names) == len(set(names))
    assert (scopes["react"], scopes["vite"]) == ("required", "optional")
    assert "registry" not in one.read_text()
