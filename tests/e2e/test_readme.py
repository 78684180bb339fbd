"""The README's five lines work as they are written, but for the ports."""

import re
import subprocess
from pathlib import Path

from tests.e2e.kit import Fleet, eventually

README = Path(__file__).parents[2] / "README.md"


def test_the_first_service_of_the_readme_works_as_written(fleet: Fleet, upstream: int) -> None:
    lines = [line for line in README.read_text().splitlines() if line.startswith("curl ")]
    assert len(lines) == 5
    ports = {"7080": fleet.port("admin"), "8000": upstream, "9080": fleet.port("http")}
    *changes, ask = [re.sub(r"\b(7080|8000|9080)\b", lambda m: str(ports[m.group()]), line) for line in lines]
    for change in changes:
        assert '"value"' in run(change)
    try:
        eventually(lambda: "200 OK" in run(ask))
        assert "401" in run(ask.replace("jacks-secret-key", "another"))
    finally:
        fleet.delete("services/files")
        fleet.delete("consumers/jack")


def run(line: str) -> str:
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, timeout=60).stdout
