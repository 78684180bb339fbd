"""What the Dashboard is made of: its bill of materials (`make sbom`) and its known vulnerabilities (`make audit`).

Both are npm's own. The bill marks packages that only build the pages as of development; the audit is of the others. If
npm's registry cannot be asked, the audit says so and lets the build pass: the next build that can ask will tell.
"""

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

ROOT: Final = Path(__file__).parents[1]
NPM: Final = ROOT / "tools" / "npm"
NAME: Final = "gatefleet-dashboard"
ACCEPTED: Final[Mapping[str, str]] = {}
"""Addresses of advisories that do not concern us, each with why."""
PATIENCE: Final = 120


def sbom(path: str) -> int:
    """Write a CycloneDX document, the same one for the same lock file; 0, or 1 with npm's reason."""
    with tempfile.TemporaryDirectory() as directory:
        project = Path(directory) / NAME  # npm names what it describes by its directory
        project.mkdir()
        (project / "package-lock.json").write_bytes((ROOT / "dashboard" / "package-lock.json").read_bytes())
        package = msgspec.json.decode((ROOT / "dashboard" / "package.json").read_bytes())
        version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        (project / "package.json").write_bytes(msgspec.json.encode({**package, "version": version}))
        done = _npm("sbom", "--prefix", str(project), "--sbom-format", "cyclonedx")  # `--omit dev` would omit React
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        return 1
    document: dict[str, Any] = msgspec.json.decode(done.stdout)
    del document["serialNumber"], document["metadata"]["timestamp"]
    Path(path).write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    return 0


def audit(*more: str) -> int:
    """0 if nothing is known, or nobody could be asked; 1 otherwise. `more`: options for npm."""
    try:
        done = _npm("audit", "--json", "--omit", "dev", "--fetch-retries", "0", "--fetch-timeout", "5000", *more)
    except subprocess.TimeoutExpired:
        print(f"the Dashboard was not audited: no answer within {PATIENCE} s")
        return 0
    report = _report(done.stdout)
    if "vulnerabilities" not in report:
        print(f"the Dashboard was not audited, the registry cannot be asked: {report.get('message', '')}"[:300])
        return 0
    found = sorted(set(_vulnerabilities(report)))
    for line in found:
        print(line)
    print("no known vulnerabilities in the Dashboard" if not found else f"{len(found)} known vulnerabilities")
    return 1 if found else 0


def _npm(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [NPM, *arguments, "--package-lock-only"]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def _report(text: str) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}


def _vulnerabilities(report: Mapping[str, Any]) -> Iterator[str]:
    """A line per advisory; what only depends on a package that has one names the package instead."""
    for name, package in report["vulnerabilities"].items():
        for known in package["via"]:
            if isinstance(known, dict) and (address := str(known.get("url", ""))) not in ACCEPTED:  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
                yield f"{name} {known['range']}: {known['title']} ({known['severity']}), {address}"


if __name__ == "__main__":
    sys.exit({"sbom": sbom, "audit": audit}[sys.argv[1]](*sys.argv[2:]))
