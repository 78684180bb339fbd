"""What was served, as numbers that can be added up: a tuple of counts, of which `FIELDS` are the names.

The native module counts in the same order; a test holds both equal.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Final

Figures = tuple[int, ...]
CLASSES: Final = ("other", "2xx", "3xx", "4xx", "5xx")
"""Of status codes; `other`: 1xx, which is what WebSockets answer, and requests whose clients left without an answer."""
BYTES: Final = ("bytes_in", "bytes_out")
"""Of requests' and of answers' bodies."""
BOUNDS_MS: Final = (
    *(0.5, 1, 2, 3, 5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750),
    *(1_000, 2_000, 3_000, 5_000, 10_000, 30_000, inf),
)
"""Of the buckets of latencies; a request is counted in the first one whose bound it does not pass."""
_STATUS: Final = tuple(f"status_{name}" for name in CLASSES)
_BUCKETS: Final = tuple(f"bucket_{number}" for number in range(len(BOUNDS_MS)))
FIELDS: Final = (*_STATUS, *BYTES, "latency_us", *_BUCKETS)
"""`latency_us`: microseconds of all requests together."""
NOTHING: Final[Figures] = (0,) * len(FIELDS)
_FIRST_BUCKET: Final = FIELDS.index(_BUCKETS[0])


def total(all_of_them: Iterable[Figures]) -> Figures:
    """The sum of them all; of none, zeros."""
    return tuple(map(sum, zip(*all_of_them, strict=True))) or NOTHING


def rest(of: Figures, parts: Iterable[Figures]) -> Figures:
    """What remains of a sum when these parts of it are taken away."""
    return tuple(whole - part for whole, part in zip(of, total(parts), strict=True))


def requests(figures: Figures) -> int:
    return sum(figures[: len(CLASSES)])


def statuses(figures: Figures) -> Mapping[str, int]:
    """How many were answered with each class of status."""
    return dict(zip(CLASSES, figures, strict=False))


def latency(figures: Figures) -> Mapping[float, int]:
    """For each bound in milliseconds, the last one infinite, how many requests took no longer."""
    found: dict[float, int] = {}
    so_far = 0
    for bound, count in zip(BOUNDS_MS, figures[_FIRST_BUCKET:], strict=True):
        found[bound] = so_far = so_far + count
    return found


def spread(figures: Figures, parts: int) -> Sequence[Figures]:
    """The same in so many parts, as even as whole numbers can be; their sum is what was given."""
    return [tuple(count * (part + 1) // parts - count * part // parts for count in figures) for part in range(parts)]
