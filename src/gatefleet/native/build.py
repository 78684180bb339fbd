"""Builds `libgatefleet.so` with the system's C compiler: `python -m gatefleet.native.build`."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
MODULE = HERE / "libgatefleet.so"
WARNINGS = ("-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror")  # what is left out is zero, and meant so
FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-fPIC", "-fvisibility=hidden", "-pthread", *WARNINGS)
FAST = ("-O2", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2", "-Wl,-z,relro,-z,now")
CHECKED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


class CannotBuild(Exception):
    """The module could not be built; the message says what to do."""


def sources() -> list[Path]:
    """The module's C files, in a constant order."""
    return sorted(HERE.glob("*.c"))


def build(output: Path = MODULE, *, asan: bool = False) -> Path:
    """Compiles the module to `output`, replacing it at once. Raises CannotBuild."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        raise CannotBuild("no C compiler found: install one (Debian: apt-get install gcc libc6-dev) or set CC")
    part = output.with_suffix(".part")
    command = [*compiler.split(), *FLAGS, *(CHECKED if asan else FAST), "-shared", "-o", part, *sources()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own sources
    if done.returncode:
        raise CannotBuild(f"[{compiler}] failed on the native module:\n{done.stderr}")
    part.replace(output)
    return output


def main() -> int:
    """Command line; 0 when the module was built."""
    parser = argparse.ArgumentParser(description="Build Gatefleet's native module.")
    parser.add_argument("--asan", action="store_true", help="with address and undefined behaviour checks")
    parser.add_argument("--output", type=Path, default=MODULE)
    options = parser.parse_args()
    try:
        sys.stdout.write(f"{build(options.output, asan=options.asan)}\n")
    except CannotBuild as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
