"""Builds of the module's sources for tests, and the run directory they read."""

import subprocess
from pathlib import Path

from gatefleet.native.build import FLAGS, HERE, sources
from gatefleet.native.records import basic_auth_entry, consumer_entry, key_auth_entry
from gatefleet.native.sharding import host_entry
from gatefleet.native.tables import Tables

TESTS = Path(__file__).parent
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
UNSHARDED = host_entry(0, 1)
HOSTS = {
    b"foo.test": UNSHARDED,
    b"*.wild.test": UNSHARDED,
    b"*.deep.wild.test": UNSHARDED,
    b"[::1]": UNSHARDED,
    b"big.test": host_entry(2, 16),
    b"*": UNSHARDED,
}
CONSUMERS = dict(
    (
        key_auth_entry("jack-key", "jack", "c1", "77"),
        basic_auth_entry("jill", "p:w", "jill", "c2"),
        consumer_entry("guest"),
    )
)


def compiled(output: Path, *parts: str, without: str = "", compiler: str = "cc", flags: tuple[str, ...] = SANITIZED) -> Path:
    """Test sources and the module's, in one binary."""
    module = [source for source in sources() if source.name != without]
    common = [flag for flag in FLAGS if flag != "-fvisibility=hidden"]
    own = [TESTS / part for part in parts]
    command = [compiler, *common, *flags, f"-I{HERE}", f"-I{TESTS}", "-o", output, *own, *module]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


def filled(run_dir: Path) -> Path:
    """A run directory with the tables the C checks expect."""
    run_dir.mkdir(exist_ok=True)
    tables = Tables(run_dir)
    tables.write("hosts", HOSTS)
    tables.write("consumers", CONSUMERS)
    tables.close()
    return run_dir
