"""Listeners as this node serves them: the group's resources with this node's addresses, ports and socket paths."""

from functools import lru_cache
from pathlib import Path

from gatefleet.protos.envoy.config.listener import v3 as listener
from gatefleet.snapshot import Entry, entry


@lru_cache(maxsize=4096)
def rebind(resource: Entry, *, bind: str, offset: int, directory: Path) -> Entry:
    """`resource`, a Listener, on address `bind`, its ports raised by `offset`, its pipes below `directory`."""
    message = listener.Listener.FromString(resource.body)
    address = message.address
    if address.HasField("pipe"):
        address.pipe.path = str(directory / Path(address.pipe.path).name)
    else:
        address.socket_address.address = bind
        address.socket_address.port_value += offset
    return entry(message.SerializeToString(deterministic=True))


def port_of(resource: Entry) -> int | None:
    """The port that a Listener takes traffic on; None when it listens on a pipe."""
    address = listener.Listener.FromString(resource.body).address
    return address.socket_address.port_value if address.HasField("socket_address") else None
