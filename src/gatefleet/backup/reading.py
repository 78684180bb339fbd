"""`gatefleet backups`: what copies of resources there are, and one of them as a file that `apply` takes."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import yaml

from gatefleet.backup import resources
from gatefleet.buckets import Bucket, Name, resource_bucket
from gatefleet.errors import Invalid, NotFound
from gatefleet.settings import BackupsSettings
from gatefleet.store import master_key


def run(settings: BackupsSettings) -> None:
    """Print to stdout. Raises a GatefleetError when there is nothing to print or it cannot be read."""
    bucket = resource_bucket(settings)
    if bucket is None:
        raise Invalid("give --fallback-aws-s3-resource-bucket or --fallback-azure-blob-resource-container")
    sys.stdout.write(asyncio.run(_listed(bucket) if settings.group is None else _read(bucket, settings)))


async def _listed(bucket: Bucket) -> str:
    return "".join(f"{_told(name)}\n" for name in sorted(await bucket.copies("resources"), key=_by_group))


async def _read(bucket: Bucket, settings: BackupsSettings) -> str:
    key = master_key(settings)  # of the control plane that wrote the copies
    name = _chosen(await bucket.copies("resources", settings.group), settings)
    header, body = resources.read(await bucket.read(name), key)
    if (header.group, header.revision) != (name.group, name.revision):
        raise Invalid(f"[{name.path}] is not what its name says: it is revision {header.revision} of [{header.group}]")
    return f"# {_told(name)}\n" + yaml.safe_dump(dict(body), sort_keys=False, allow_unicode=True)


def _chosen(found: Sequence[Name], settings: BackupsSettings) -> Name:
    """The newest copy, or the newest of a revision."""
    for name in found:
        if settings.revision in (None, name.revision):
            return name
    which = "" if settings.revision is None else f" at revision {settings.revision}"
    raise NotFound(f"no copy of gateway group [{settings.group}]{which}; `gatefleet backups` lists what there is")


def _by_group(name: Name) -> tuple[str, int, int]:
    return name.group, -name.revision, -name.made_at


def _told(name: Name) -> str:
    return f"{name.group}  revision {name.revision}  {datetime.fromtimestamp(name.made_at, UTC):%Y-%m-%d %H:%M:%SZ}"
