"""Whether anything Gatefleet needs at run time has a known vulnerability (OSV); `make audit`.

Fails if there is one that is not accepted below. If the service cannot be asked, as in a network without a way out, it
says so and lets the build pass: the next build that can ask will tell.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

ROOT: Final = Path(__file__).parents[1]
REQUIREMENTS: Final = ROOT / "requirements" / "runtime.txt"
ACCEPTED: Final[Mapping[str, str]] = {}
"""Ids of vulnerabilities that do not concern us, each with why."""
PATIENCE: Final = 120


def main(*more: str) -> int:
    """0 if nothing is known, or nobody could be asked; 1 otherwise. `more`: options for pip-audit."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        reason = _ask(report, more)
        if not report.exists() or not report.read_bytes():
            print(f"dependencies were not audited, the service cannot be asked: {reason}")
            return 0
        found = list(_vulnerabilities(msgspec.json.decode(report.read_bytes())))
    for line in found:
        print(line)
    print("no known vulnerabilities" if not found else f"{len(found)} known vulnerabilities")
    return 1 if found else 0


def _ask(report: Path, more: tuple[str, ...]) -> str:
    """Run pip-audit; what it said last."""
    tool = Path(sys.executable).parent / "pip-audit"
    what = ["-r", str(REQUIREMENTS), "--require-hashes", "--disable-pip", "-s", "osv", "--timeout", "5"]
    how = ["--progress-spinner", "off", "-f", "json", "-o", str(report)]
    ignored = [part for name in ACCEPTED for part in ("--ignore-vuln", name)]
    try:
        done = subprocess.run(
            [tool, *what, *how, *ignored, *more], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {PATIENCE} s"
    return (done.stderr.strip().splitlines() or [""])[-1][:300]


def _vulnerabilities(report: Mapping[str, Any]) -> Iterator[str]:
    for dependency in report["dependencies"]:
        for known in dependency.get("vulns", ()):
            fixed = ", ".join(known["fix_versions"]) or "no version yet"
            yield f"{dependency['name']} {dependency['version']}: {known['id']}, fixed in {fixed}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
