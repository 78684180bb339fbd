"""The store of the module's cache under the sanitizers: what is kept, what is given up, and many threads at once."""

import os
import subprocess
from pathlib import Path

from native.kit import compiled


def test_the_cache_does_what_its_checks_say(tmp_path: Path) -> None:
    checks = compiled(tmp_path / "cache", "cache.c", "host.c", without="cache_store.c")
    environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=1"}
    done = subprocess.run([checks, tmp_path], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
