"""Which configuration a node serves, and what it says of itself: the whole table."""

import pytest

from gatefleet.node.judge import Copy, Seen, judge, sentence

LIVE = Copy("dp-manager", 7, 100)
OLDER_LIVE = Copy("dp-manager", 5, 90)
DISK = Copy("disk", 6, 95)
NEWER_DISK = Copy("disk", 9, 120)
BUCKET, PEER = Copy("bucket", 8, 110), Copy("peer", 8, 110)
SERVING = Seen(live=LIVE, connected=True, applied=7, envoy=True)

CHOICES = {
    "nothing anywhere": (Seen(), None),
    "a live stream": (Seen(live=LIVE, connected=True), LIVE),
    "a live stream is trusted before a copy": (Seen(live=LIVE, connected=True, disk=DISK), LIVE),
    "what came by a stream that is gone": (Seen(live=LIVE, disk=DISK, silence="refused"), LIVE),
    "only the copy on disk": (Seen(disk=DISK, silence="refused"), DISK),
    "a live revision below one already held is not taken": (Seen(live=OLDER_LIVE, disk=DISK, floor=6), DISK),
    "a copy below one already held is not taken": (Seen(disk=DISK, floor=8), None),
    "a newer copy does not beat the DP Manager": (Seen(live=LIVE, connected=True, disk=NEWER_DISK), LIVE),
    "nor does one from elsewhere": (Seen(live=LIVE, connected=True, elsewhere=(BUCKET, PEER)), LIVE),
    "cut off, a newer copy from elsewhere counts": (Seen(live=LIVE, disk=DISK, elsewhere=(BUCKET, PEER)), BUCKET),
    "of equals the one trusted most": (
        Seen(live=Copy("dp-manager", 8, 1), elsewhere=(BUCKET, PEER)),
        Copy("dp-manager", 8, 1),
    ),
    "a peer when there is nothing else": (Seen(elsewhere=(PEER,)), PEER),
    "connected again to one that is behind": (Seen(live=LIVE, connected=True, elsewhere=(BUCKET,), floor=8), BUCKET),
}


@pytest.mark.parametrize("name", CHOICES)
def test_what_is_served(name: str) -> None:
    seen, expected = CHOICES[name]
    assert judge(seen).serve == expected


STATES = {
    "all is well": (SERVING, True, True, ""),
    "starting": (Seen(envoy=True), False, False, "there is no configuration yet; no connection to the DP Manager"),
    "the control plane is away": (
        Seen(disk=DISK, applied=6, envoy=True, silence="UNAVAILABLE"),
        True,
        False,
        "no connection to the DP Manager: UNAVAILABLE",
    ),
    "Envoy is dead": (Seen(live=LIVE, connected=True, applied=7), False, False, "Envoy is not running"),
    "a port is taken": (
        Seen(live=LIVE, connected=True, applied=7, envoy=True, blocked="port 9080 is taken"),
        False,
        False,
        "port 9080 is taken",
    ),
    "not applied yet": (
        Seen(live=LIVE, connected=True, envoy=True),
        False,
        False,
        "the configuration is being applied",
    ),
    "a refused copy and nobody to ask": (
        Seen(envoy=True, silence="UNAVAILABLE", disk_problem="the copy on disk is refused: changed"),
        False,
        False,
        (
            "there is no configuration yet; no connection to the DP Manager: UNAVAILABLE; "
            "the copy on disk is refused: changed"
        ),
    ),
    "shutting down": (
        Seen(live=LIVE, connected=True, applied=7, envoy=True, draining=True),
        False,
        False,
        "the node is shutting down",
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_what_it_says_of_itself(name: str) -> None:
    seen, serving, ready, reason = STATES[name]
    verdict = judge(seen)
    assert (verdict.serving, verdict.ready, verdict.reason) == (serving, ready, reason)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (SERVING, "serving revision 7 from the DP Manager"),
        (Seen(live=LIVE, connected=True, envoy=True), "taking revision 7 from the DP Manager"),
        (Seen(live=LIVE, connected=True, applied=5, envoy=True), "serving revision 5 from the DP Manager"),
        (
            Seen(disk=DISK, applied=6, envoy=True),
            "serving revision 6 from the copy on disk; not ready: no connection to the DP Manager",
        ),
        (Seen(), "waiting: Envoy is not running; there is no configuration yet; no connection to the DP Manager"),
    ],
)
def test_one_sentence_for_the_log(seen: Seen, said: str) -> None:
    assert sentence(seen, judge(seen)) == said
