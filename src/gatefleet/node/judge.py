"""Which configuration a node serves, and what it says of itself: a pure function of everything it sees."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Source = Literal["dp-manager", "disk", "bucket", "peer"]


@dataclass(frozen=True, slots=True)
class Copy:
    """One whole, verified revision that the node could serve, and where it comes from."""

    source: Source
    revision: int
    made_at: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a turn of the loop found."""

    live: Copy | None = None
    """The newest whole revision that came by a stream, also when the stream is gone meanwhile."""
    connected: bool = False
    """A stream to a DP Manager is open."""
    silence: str = ""
    """Why there is none."""
    disk: Copy | None = None
    disk_problem: str = ""
    """Why the copy on disk is not taken."""
    elsewhere: tuple[Copy, ...] = ()
    """Copies from the bucket and from peers, looked for while there is no stream."""
    elsewhere_problems: tuple[str, ...] = ()
    """Why there are none."""
    floor: int = 0
    """The highest revision this node ever held; nothing below it is taken."""
    applied: int | None = None
    """The revision Envoy serves."""
    taken_over: int = 0
    """The revision of an Envoy that was already running and has not been fed by us yet; it keeps that meanwhile."""
    envoy: bool = False
    """Envoy runs."""
    blocked: str = ""
    """Why Envoy does not open a port it should."""
    draining: bool = False

    def copies(self) -> Iterator[Copy]:
        """Every place to take a configuration from, most trusted first."""
        if self.live:
            yield self.live
        if self.disk:
            yield self.disk
        yield from self.elsewhere


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to serve and what to answer on /status and /status/ready."""

    serve: Copy | None
    serving: bool
    ready: bool
    reason: str
    """Empty when ready."""


def judge(seen: Seen) -> Verdict:
    """The DP Manager's word first while it is connected, else the newest valid copy; never one older than held."""
    serve = _choose(seen)
    serving = seen.envoy and seen.applied is not None and not seen.blocked and not seen.draining
    reason = "; ".join(_reasons(seen, serve))
    return Verdict(serve=serve, serving=serving, ready=serving and seen.connected and not reason, reason=reason)


def _choose(seen: Seen) -> Copy | None:
    valid = [copy for copy in seen.copies() if copy.revision >= max(seen.floor, seen.taken_over)]
    if seen.connected and seen.live in valid:
        return seen.live
    return max(valid, key=lambda copy: copy.revision, default=None)  # of equals the first, which is trusted most


def _reasons(seen: Seen, serve: Copy | None) -> Iterator[str]:
    if seen.draining:
        yield "the node is shutting down"
        return
    if not seen.envoy:
        yield "Envoy is not running"
    if seen.blocked:
        yield seen.blocked
    if seen.applied is None:
        yield "there is no configuration yet" if serve is None else "the configuration is being applied"
    if not seen.connected:
        yield f"no connection to the DP Manager{f': {seen.silence}' if seen.silence else ''}"
    if seen.disk_problem and seen.applied is None:
        yield seen.disk_problem
    if not seen.connected:
        yield from seen.elsewhere_problems


def sentence(seen: Seen, verdict: Verdict) -> str:
    """What the log says when it changes."""
    if verdict.serve is None and seen.taken_over:
        return f"serving revision {seen.taken_over} by an Envoy that was running already; {verdict.reason}"
    if verdict.serve is None:
        return f"waiting: {verdict.reason}"
    if seen.applied is None:
        return f"taking revision {verdict.serve.revision} from {_told(verdict.serve)}"
    serving = f"serving revision {seen.applied} from {_told(verdict.serve)}"
    return serving + (f"; not ready: {verdict.reason}" if verdict.reason else "")


def _told(copy: Copy) -> str:
    return {
        "dp-manager": "the DP Manager",
        "disk": "the copy on disk",
        "bucket": "the copy in the bucket",
        "peer": "a peer",
    }[copy.source]
