"""What a node counts for a ring, out of its series."""

from math import inf

from gatefleet.fleet import Counted
from gatefleet.native.series import Latency, Series
from gatefleet.node.traffic import counted


def one(of: str, codes: dict[str, int], *, consumer: str = "", at_once: int = 0) -> Series:
    latency = Latency(2_047 * sum(codes.values()), ((1.0, at_once), (inf, sum(codes.values()))))
    return Series(of, consumer, bytes_in=0, bytes_out=0, codes=codes, request=latency, upstream=latency)


SERIES = (
    one("2:s1r1", {"200": 7}, at_once=3),
    one("2:s1r1", {"503": 2, "other": 1}, consumer="jack", at_once=1),
    one('11:the "shop"\\r2', {"500": 1}),
    one("2:s2r", {"200": 100}),
    one("0:r", {"200": 100}),
)


def test_each_services_requests_are_added_up_whatever_they_are_counted_under() -> None:
    watched = {"s1": ("s1", 'the "shop"\\'), "s3": ("s3",)}
    assert counted(SERIES, watched) == {"s1": Counted(11, 3, ((1.0, 4), (inf, 11))), "s3": Counted()}
