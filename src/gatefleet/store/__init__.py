"""PostgreSQL: the tables, the documents of every group, their revisions and the notices that tell of them."""

from gatefleet.store import fleet, release_tables, rings
from gatefleet.store.crypto import make_master_key
from gatefleet.store.documents import Documents, Kin, Query, Stored
from gatefleet.store.listen import listen
from gatefleet.store.master import master_key, read_master_key
from gatefleet.store.migrate import check, migrate
from gatefleet.store.store import Author, Changes, Store

__all__ = [
    "Author",
    "Changes",
    "Documents",
    "Kin",
    "Query",
    "Store",
    "Stored",
    "check",
    "fleet",
    "listen",
    "make_master_key",
    "master_key",
    "migrate",
    "read_master_key",
    "release_tables",
    "rings",
]
