"""The module's C code under the address and undefined behaviour sanitizers: checks and a bounded fuzz run."""

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from native.kit import CONSUMERS, compiled, filled
from redis_servers import redis_server

from gatefleet.native.build import CHECKED
from gatefleet.native.config import basic_auth_config, ip_restriction_config, key_auth_config, limit_count_config
from gatefleet.native.tables import table_bytes

FUZZ_SECONDS = 5


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(
        tmp_path_factory.mktemp("checks") / "checks", "checks.c", "shared.c", "host.c", without="counters.c"
    )


def sanitized(*command: object, run_dir: Path) -> None:
    environment = os.environ | {"GATEFLEET_RUN_DIR": str(run_dir), "ASAN_OPTIONS": "detect_leaks=1"}
    done = subprocess.run(
        [*map(str, command)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]


def test_the_module_does_what_its_checks_say(checks: Path, tmp_path: Path) -> None:
    sanitized(checks, filled(tmp_path), run_dir=tmp_path)


def test_without_tables_everything_is_closed(checks: Path, tmp_path: Path) -> None:
    sanitized(checks, tmp_path, "closed", run_dir=tmp_path)


def test_answers_of_redis_reach_who_still_waits_and_nobody_else(checks: Path, tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        sanitized(checks, tmp_path, f"redis 127.0.0.1:{server.port}", run_dir=tmp_path)
        assert server.ask("zcard", "gatefleet:limit-conn:r:192.0.2.7") == "0"


def test_hostile_bytes_find_no_error(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds()):
        (corpus / f"{number:02}").write_bytes(seed)
    run_dir = filled(tmp_path / "run")
    if clang := shutil.which("clang"):
        flags = (*(flag for flag in CHECKED if "address" not in flag), "-fsanitize=fuzzer,address,undefined")
        fuzzer = compiled(tmp_path / "fuzz", "fuzz.c", "host.c", compiler=clang, flags=flags)
        limits = (f"-max_total_time={FUZZ_SECONDS}", "-max_len=4096", f"-artifact_prefix={tmp_path}/")
        sanitized(fuzzer, *limits, corpus, run_dir=run_dir)
    else:
        fuzzer = compiled(tmp_path / "fuzz", "fuzz.c", "host.c", flags=(*CHECKED, "-DALONE"))
        sanitized(fuzzer, FUZZ_SECONDS, *sorted(corpus.iterdir()), run_dir=run_dir)


def seeds() -> list[bytes]:
    """One good input of each kind, from which the fuzzer starts."""
    table = table_bytes(CONSUMERS)
    configs = (
        key_auth_config(hide_credentials=True, anonymous_consumer="guest"),
        basic_auth_config(hide_credentials=True),
        ip_restriction_config(blacklist=["10.0.0.0/8", "::1"]),
        limit_count_config(
            owner="r", count=1, time_window=1, key="$arg_id $cookie_a ${http_b ?? c}", key_type="var_combination"
        ),
    )
    request = b"".join(sized(part) for part in (b"Foo.test:80", b"/a%2f../b?apikey=jack-key&id=1"))
    headers = b"\0" + sized(b"jack-key") + b"\1" + sized(b"Basic amlsbDpwOnc=") + b"\2" + sized(b"a=1; b=2")
    return [
        bytes((0,)) + sized(b"k\0jack-key") + table,
        bytes((1,)) + request + headers + b"\3" + sized(b"/x"),
        *(bytes((3 + 6 * n,)) + sized(config) + request + headers for n, config in enumerate(configs)),
        bytes((5,)) + b"*2\r\n:1\r\n:-20\r\n-MOVED 3999 127.0.0.1:6381\r\n+OK\r\n",
        *(bytes((2 + 6 * n, 2, 6 + n)) + sized(b"10.0.0.0/8") + b"\x0a" + sized(b"5") + request for n in range(4)),
    ]


def sized(part: bytes) -> bytes:
    return struct.pack("B", len(part[:255])) + part[:255]
