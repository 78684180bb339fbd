"""A real Prometheus for tests, which scrapes what it is told every second."""

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final

import httpx

from tests.ports import free_port

INSTALLED: Final = Path(__file__).parent.parent / ".venv" / "prometheus"
PATH: Final = "/apisix/prometheus/metrics"
SECONDS: Final = 30.0


@contextlib.contextmanager
def running(targets: Sequence[str]) -> Generator[str]:
    """Its address, once it has scraped the nodes' metrics at all of these hosts and ports; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="prometheus") as name:
        port = free_port()
        jobs = [{"job_name": "nodes", "metrics_path": PATH, "static_configs": [{"targets": list(targets)}]}]
        file = Path(name) / "prometheus.yml"
        file.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}))
        command = [
            INSTALLED / "usr/bin/prometheus",
            f"--config.file={file}",
            f"--storage.tsdb.path={name}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
            try:
                _await(server, f"http://127.0.0.1:{port}", len(targets))
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()


def _await(server: subprocess.Popen[bytes], address: str, targets: int) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        assert server.poll() is None, "Prometheus ended"
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.get(f"{address}/api/v1/query", params={"query": "up == 1"})
            if answer.is_success and len(answer.json()["data"]["result"]) == targets:
                return
        time.sleep(0.1)
    raise AssertionError("Prometheus scrapes nothing")
