"""Makes a data directory ready for the roles: `python -m gatefleet.up.prepare DATA_DIR`.

A process of its own, so that `up` stays small and this one's modules load while PostgreSQL is still starting.
Keys, schema, the CA, and a join token for the local node when it has not joined yet.
"""

import asyncio
import sys
from pathlib import Path
from typing import Final

from gatefleet import pki
from gatefleet.errors import GatefleetError, Invalid
from gatefleet.files import write_private
from gatefleet.pki import Bundle
from gatefleet.store import Store, fleet, make_master_key, migrate, read_master_key
from gatefleet.store.authority import authorities
from gatefleet.store.database import connect
from gatefleet.up.layout import Layout
from gatefleet.up.postgres import locate, make_database

PATIENCE: Final = 30.0
GROUP: Final = "default"


async def prepare(layout: Layout) -> None:
    """Bring everything below `layout` to this version. Raises a GatefleetError that says what to do."""
    make_master_key(layout.encryption_key)
    cluster = locate(layout.directory)
    await make_database(cluster, PATIENCE)
    dsn = cluster.dsn()
    engine = connect(dsn, pool_size=1)
    await migrate(engine)
    await engine.dispose()
    store = await Store.open(dsn, read_master_key(layout.encryption_key), pool_size=1)
    try:
        async with store.transaction() as connection:
            ca = (await authorities(connection, store.cipher)).serving
            if not _joined(layout, ca.certificate):
                _, token = await fleet.mint_join_token(connection, store.cipher, GROUP)
                write_private(layout.node_token, token)
    finally:
        await store.close()


def _joined(layout: Layout, ca: str) -> bool:
    """Whether the local node has a certificate of this very CA."""
    try:
        identity = Bundle.from_json(layout.node_identity.read_bytes())
    except (OSError, Invalid):
        return False
    return pki.fingerprint(ca) in pki.fingerprints(identity.ca_certificate)


if __name__ == "__main__":
    try:
        asyncio.run(prepare(Layout(Path(sys.argv[1]))))
    except GatefleetError as error:
        sys.exit(f"gatefleet: {error}")
