"""The words nodes and the DP Manager exchange beside the configuration stream: enrolment, renewal, heartbeats.

gRPC service `gatefleet.Fleet`, msgpack bodies, unary calls but for the stream of heartbeats. A join token admits a call
to `Enroll`; every other call needs a client certificate, and its group is the only group the caller has to do with.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from gatefleet.figures import FIELDS

Text = Annotated[str, Meta(max_length=255, pattern=r"^[^\x00]*$")]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Large = Annotated[int, Meta(ge=0, lt=1 << 62)]
Counts = Annotated[Mapping[Text, Large], Meta(max_length=64)]
Labels = Annotated[Mapping[Text, Text], Meta(max_length=64)]

SERVICE: Final = "gatefleet.Fleet"
ENROLL: Final = f"/{SERVICE}/Enroll"
RENEW: Final = f"/{SERVICE}/Renew"
HEARTBEATS: Final = f"/{SERVICE}/Heartbeats"
"""A stream of a node's heartbeats, each answered before the next: a call for each would cost both sides far more."""
HEALTH: Final = f"/{SERVICE}/Health"
TRAFFIC: Final = f"/{SERVICE}/Traffic"
TESTED: Final = f"/{SERVICE}/Tested"
REQUEST_TEST: Final = "type.googleapis.com/gatefleet.RequestTest"
"""What comes to a node by its configuration stream when somebody tries a request: body is a msgpack `RequestTest`."""
TESTS_HEADER: Final = "x-gatefleet-takes-tests"
"""gRPC metadata of the configuration stream: the node can be asked to try requests."""
CA_PATH: Final = "/ca.pem"
"""GET on the TLS port, open to everybody: the CA's certificate, which a join token's fingerprint then confirms."""
VERSION_HEADER: Final = "x-gatefleet-version"
"""gRPC metadata of the configuration stream: the node's version."""
INSTANCE_HEADER: Final = "x-gatefleet-instance"
"""The same: the node's own id, which counts when it shares its certificate with others."""
HEARTBEAT_SECONDS: Final = 5.0


class Trust(msgspec.Struct, frozen=True):
    """What a group's nodes check copies and each other with."""

    verification_keys: Mapping[str, bytes]
    """Key id to Ed25519 public key; several while keys are exchanged."""
    copy_keys: Mapping[str, bytes]
    """Key id to AES-256 key."""
    newest: str
    """The key that signs and encrypts now."""
    revoked: tuple[str, ...] = ()
    """Fingerprints of the group's revoked certificates (SHA-256 of the DER form, hex), ascending."""

    @property
    def version(self) -> str:
        """The same for the same content."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:32]


class Machine(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a node runs, as it says itself; for people to read."""

    hostname: Text
    ip: Text
    version: Text
    """Gatefleet's version, such as 0.1.0; the DP Manager refuses newer ones than its own."""
    ports: tuple[Count, ...] = ()
    cores: Count = 0
    labels: Labels = {}
    """What its owner calls it, such as zone to a; rings choose nodes by these."""


class Enroll(msgspec.Struct, frozen=True):
    """Ask for a certificate for a key that stays with the node; the token names the group."""

    token: str
    csr: str
    instance: str
    """The id the node chose for itself and keeps in its data directory."""
    machine: Machine


class Enrolled(msgspec.Struct, frozen=True, omit_defaults=True):
    """A node's certificate and what goes with it; the answer to `Enroll` and to `Renew`."""

    certificate: str
    ca_certificate: str
    group: str
    instance: str
    verification_keys: Mapping[str, bytes]
    snapshot_key: bytes
    dp_manager_addresses: tuple[str, ...] = ()
    copy_keys: Mapping[str, bytes] = {}


class Renew(msgspec.Struct, frozen=True, omit_defaults=True):
    """Ask for the next certificate, with the present one."""

    csr: str
    instance: str = ""
    """The node's own id; counts when the present certificate came in a bundle, which many nodes may share."""


class Proof(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a node knows that what changed is live: seen in its Envoy, said by it, or written where it looks."""

    probed: Large = 0
    """Route scopes that every worker of Envoy was seen to serve in their new version."""
    scopes: Large = 0
    """Route scopes that changed; of very many, those that were probed stand for the rest."""
    acknowledged: Counts = {}
    """Other resources that Envoy acknowledged, by type: Cluster, Secret, Listener ..."""
    written: Counts = {}
    """Hosts and consumers in the tables that are looked up anew for each request, by table."""


class Counted(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a node has served of one service since its Envoy started."""

    requests: Large = 0
    errors: Large = 0
    """Those answered with 5xx."""
    latency: Annotated[tuple[tuple[float, Large], ...], Meta(max_length=64)] = ()
    """Upper bounds in milliseconds, the last one infinite, each with how many requests took no longer."""


class Tally(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a node has counted for a ring; counters only grow while `run`, which names its Envoy, stays the same."""

    ring: Text
    run: Large = 0
    services: Annotated[Mapping[Text, Counted], Meta(max_length=64)] = {}


class Watch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a node is asked to count and to say with its heartbeats while a ring runs."""

    ring: str
    services: Mapping[str, tuple[str, ...]]
    """Service id to the names it is counted under."""
    every: float = HEARTBEAT_SECONDS
    """Seconds between heartbeats meanwhile."""


class Proven(msgspec.Struct, frozen=True, omit_defaults=True):
    """A revision whose changes Envoy was seen to serve, or refuses."""

    revision: Large
    ms_ago: Large = 0
    """How long ago that was seen."""
    proof: Proof = Proof()
    rejected: Mapping[str, str] = {}
    """What of its changes Envoy refuses, to the reason; all else of it is live."""


class RegistryState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a service registry is, as one node sees it: healthy or lost_connection."""

    status: Text
    last_connect_time: Large = 0
    """Unix seconds of its last answer, on the node's clock; 0 before the first."""
    reason: Annotated[str, Meta(max_length=500, pattern=r"^[^\x00]*$")] = ""


class Drill(msgspec.Struct, frozen=True, omit_defaults=True):
    """An outage to rehearse: the node cuts itself off, starts anew halfway, and comes back by itself."""

    id: Text
    seconds: int
    """How long the node is looked at while it is cut off; its start comes on top."""
    source: Literal["disk", "bucket"] = "disk"
    """What it starts from; a peer is as good as a bucket."""
    envoy: bool = False
    """Envoy is started anew, too: the node does not serve meanwhile."""


class Part(msgspec.Struct, frozen=True):
    """A stretch of a drill during which Envoy was asked for the versions of route scopes, again and again."""

    name: Text
    seconds: float
    probes: Large
    failed: Large


class Drilled(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a drill."""

    id: Text
    passed: bool = False
    reason: Annotated[str, Meta(max_length=500, pattern=r"^[^\x00]*$")] = ""
    """Why it did not pass."""
    parts: Annotated[tuple[Part, ...], Meta(max_length=16)] = ()
    revision_before: Large = 0
    revision_after: Large = 0
    """What was served after the start, while still cut off."""
    started_from: Text = ""
    """disk, bucket or peer."""
    start_seconds: float = 0.0
    """From the end of the old agent until the new one has proven that it serves."""
    reconnect_seconds: float = 0.0


class Heartbeat(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a node is; every `HEARTBEAT_SECONDS` and after each revision it took."""

    machine: Machine
    instance: str = ""
    """As in `Renew`."""
    applied_revision: Large = 0
    envoy: Text = ""
    """What Envoy says of itself (LIVE, DRAINING ...), empty when it does not run."""
    certificate_expires_at: Annotated[int, Meta(ge=0, lt=1 << 37)] = 0
    """Unix seconds."""
    problems: Mapping[str, str] = {}
    """Resources this node's Envoy refuses, "<type URL>/<name>" to the reason; the first hundred are recorded."""
    leaving: bool = False
    """The node is shutting down."""
    proven: Annotated[tuple[Proven, ...], Meta(max_length=64)] | None = None
    """Revisions that are proven, ascending: those not on record yet, and the newest. None from too old nodes."""
    pending: str = ""
    """Why a newer revision is not proven."""
    tally: Tally | None = None
    """What was counted, if the DP Manager asked for it."""
    registries: Annotated[Mapping[Text, RegistryState], Meta(max_length=1000)] = {}
    """Service registries by id."""
    trust: Text = ""
    """The version of the `Trust` that the node has."""
    drilled: Drilled | None = None
    """What came of a drill, until that is on record."""


class Heard(msgspec.Struct, frozen=True):
    """The answer to a heartbeat."""

    newest_revision: int
    recorded_revision: int = 0
    """The newest revision of which the node's report is on record."""
    watch: Watch | None = None
    """What to count from now on; None: nothing."""
    trust: Trust | None = None
    """What to check with from now on, if the node has something else."""
    drill: Drill | None = None
    """An outage to rehearse now."""
    recorded_drill: str = ""
    """The drill whose result is on record now."""


Long = Annotated[str, Meta(max_length=600, pattern=r"^[^\x00]*$")]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]


class Unwell(msgspec.Struct, frozen=True):
    """A node of an upstream that an Envoy does not take for healthy."""

    upstream: Long
    """The cluster's name: a service's id, or its id, a slash and the upstream's."""
    address: Text
    """`ip:port`."""
    name: Long
    """Its host name where it has one."""
    status: Text
    """`unhealthy` or `degraded`."""
    reason: Text
    since: Large
    """Unix seconds on the node's clock; when it was seen first."""


class HealthReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """How upstreams are as one node sees them; sent when it is not what it was."""

    upstreams: Count = 0
    """Upstreams with checks."""
    unwell: Annotated[tuple[Unwell, ...], Meta(max_length=1000)] = ()
    more: Count = 0
    """Nodes that are not healthy beside these."""
    instance: str = ""
    """As in `Renew`."""


class Line(msgspec.Struct, frozen=True, array_like=True):
    """What was served of one route, or for one consumer."""

    dimension: Literal["route", "consumer"]
    service: Text
    name: Text
    figures: Annotated[tuple[Large, ...], Meta(min_length=len(FIELDS), max_length=len(FIELDS))]
    """In the order of `gatefleet.figures.FIELDS`."""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One request, of a few that are told."""

    seconds_ago: Seconds
    status: Annotated[int, Meta(ge=0, le=999)]
    latency_us: Large
    bytes_in: Large
    bytes_out: Large
    service: Text
    route: Text
    consumer: Text
    method: Text
    host: Long
    path: Long
    upstream: Long
    details: Long


class TrafficReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an Envoy has served in some seconds; sent with the same number until it is on record."""

    run: Text
    """Which Envoy of the node."""
    seq: Large
    """Counts the reports of a run."""
    began: Seconds
    """Seconds ago, as are the others."""
    ended: Seconds
    lines: Annotated[tuple[Line, ...], Meta(max_length=10_000)] = ()
    """Every request is in one line of each dimension."""
    entries: Annotated[tuple[Entry, ...], Meta(max_length=1000)] = ()
    instance: str = ""
    """As in `Renew`."""


class RequestTest(msgspec.Struct, frozen=True):
    """A request to make of the node's own Envoy, once."""

    id: Text
    method: str
    target: str
    """Path and query."""
    host: str
    scheme: Literal["http", "https"]
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Tested(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a `RequestTest`."""

    id: Text
    reason: Annotated[str, Meta(max_length=500, pattern=r"^[^\x00]*$")] = ""
    """Why there is no answer, or why nothing is known of where it came from."""
    revision: Large = 0
    """The one that was proven to be served; 0 for none."""
    seconds: Seconds = 0.0
    status: Annotated[int, Meta(ge=0, le=999)] = 0
    """Of the answer; 0: there was none."""
    headers: Annotated[tuple[tuple[str, str], ...], Meta(max_length=1000)] = ()
    body: Annotated[bytes, Meta(max_length=65_536)] = b""
    truncated: bool = False
    """The body goes on."""
    seen: bool = False
    """Envoy has told what follows."""
    service: Text = ""
    route: Text = ""
    consumer: Text = ""
    upstream: Long = ""
    details: Long = ""
    """Envoy's response code details."""
    plugin: Text = ""
    """The plugin whose script has answered."""
    instance: str = ""
    """As in `Renew`."""


class Noted(msgspec.Struct, frozen=True):
    """The answer to a report that is on record."""
