"""The last configuration on disk: written after it was applied, read when there is nobody to ask."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gatefleet import sealed
from gatefleet.errors import Invalid
from gatefleet.files import write_private
from gatefleet.pki import Bundle
from gatefleet.snapshot import Seal, Snapshot


@dataclass(frozen=True, slots=True)
class Revision:
    """A whole configuration and the seal that states it."""

    snapshot: Snapshot
    seal: Seal


class Floor(msgspec.Struct, frozen=True):
    """The highest revision of a group that this node held; older ones are never taken."""

    group: str
    revision: int


class Running:
    """The revision that an Envoy process serves, noted where it is forgotten with the machine's memory."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def of(self, pid: int | None) -> int:
        """The revision that Envoy `pid` was last brought to; 0 when another process was, or none."""
        with suppress(OSError, ValueError):
            noted, revision = map(int, self._file.read_text().split())
            return revision if noted == pid else 0
        return 0

    def note(self, pid: int | None, revision: int) -> None:
        """Raises OSError."""
        write_private(self._file, f"{pid or 0} {revision}")


class DiskCopy:
    """The sealed, encrypted copy in a node's data directory, and the mark that says how new it has to be."""

    def __init__(self, data_dir: Path) -> None:
        self.file = data_dir / "snapshot.bin"
        self._mark = data_dir / "snapshot.floor"

    def floor(self, group: str) -> int:
        """The lowest revision of `group` to take; 0 when none was held yet."""
        try:
            mark = msgspec.json.decode(self._mark.read_bytes(), type=Floor)
        except (OSError, msgspec.DecodeError):
            return 0
        return mark.revision if mark.group == group else 0

    def read(self, identity: Bundle) -> Revision | None:
        """The copy, fully checked; None when there is none. Invalid, with the reason, when it must not be taken."""
        try:
            body = self.file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Invalid(f"the copy on disk cannot be read: {error.strerror}") from error
        return opened(body, identity, self.floor(identity.gateway_group_id), "the copy on disk")

    def write(self, revision: Revision, identity: Bundle) -> None:
        """Replace the copy, then raise the mark; a crash between the two leaves a copy that is still taken."""
        body = sealed.write_copy(
            revision.snapshot, revision.seal, identity.keys_of_copies().get(revision.seal.key_id, identity.snapshot_key)
        )
        write_private(self.file, body, lasting=True)
        write_private(self._mark, msgspec.json.encode(Floor(revision.seal.group, revision.seal.revision)), lasting=True)

    def forget(self) -> None:
        """Drop copy and mark: the node joins anew."""
        self.file.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)


def opened(body: bytes, identity: Bundle, floor: int, what: str) -> Revision:
    """The configuration in a copy, fully checked; Invalid, with the reason, when it must not be taken."""
    try:
        snapshot, seal = sealed.read_copy(body, identity.verification_keys, identity.keys_of_copies())
    except Invalid as error:
        raise Invalid(f"{what} is refused: {error}") from error
    check(seal, identity.gateway_group_id, floor, what)
    return Revision(snapshot, seal)


def check(seal: Seal, group: str, floor: int, what: str) -> None:
    """Invalid when the seal is of another group or older than what was already held."""
    if seal.group != group:
        raise Invalid(f"{what} is refused: it belongs to gateway group [{seal.group}], this node to [{group}]")
    if seal.revision < floor:
        raise Invalid(
            f"{what} is refused: its revision {seal.revision} is older than revision {floor}, which this node held"
        )
