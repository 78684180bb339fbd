"""The commands of a guide page, run as they are written but for ports, with a `systemctl` of the tests' own."""

import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
SYSTEMCTL = '#!/bin/sh\nverb=$1; shift\nfor unit; do curl -fsS "$SYSTEMCTL/$verb/$unit" || exit 1; done\n'

Act = Callable[[str], None]
"""What a verb (restart, reload, start) does to a unit of this machine."""


def blocks(page: str, heading: str) -> Sequence[str]:
    """The fenced commands of one section of a guide page, in order."""
    text = (GUIDE / page).read_text()
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found, heading
    return found


@dataclass(frozen=True, slots=True)
class Machine:
    """Where commands are run: which units are there, and what the page's ports and words are here."""

    units: Mapping[str, Act]
    words: Mapping[str, str]
    """What stands on the page to what is meant, such as 7081 to another port."""
    folder: Path

    def run(self, block: str, seconds: float = 60) -> str:
        """What the commands print; they must succeed."""
        written = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in self.words))
        script = written.sub(lambda found: self.words[found[0]], block)
        with _systemctl(self.units) as url:
            (self.folder / "systemctl").write_text(SYSTEMCTL)
            (self.folder / "systemctl").chmod(0o755)
            environment = {**os.environ, "SYSTEMCTL": url, "PATH": f"{self.folder}:{os.environ['PATH']}"}
            command = ["bash", "-eu", "-o", "pipefail", "-c", script]
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=seconds, env=environment, check=False
            )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@contextmanager
def _systemctl(units: Mapping[str, Act]) -> Iterator[str]:
    """What stands in for systemd: GET /VERB/UNIT."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, verb, unit = self.path.split("/")
            units[unit](verb)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
