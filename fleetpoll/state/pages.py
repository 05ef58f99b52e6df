"""How pages and notes of dwell times are written: the words between notebook.py, the client and learn.lua."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from fleetpoll.cadence.ages import BUCKETS
from fleetpoll.cadence.dwell import HALF_LIFE_S, Dwell, Group
from fleetpoll.cadence.learned import PRICE_MAX, PRICE_MIN, PRICE_START

GROUPS_KEPT = 5_000
"""How many groups a fleet remembers: a thousand definitions in five statuses, some two megabytes at most."""

_encode = msgspec.json.Encoder().encode
_numbers = msgspec.json.Decoder(list[float]).decode


@dataclass(frozen=True, slots=True)
class Lesson:
    """What goes with a settlement: the step of ln p, notes to add to the fleet's pages, groups to read."""

    price_step: float = 0.0
    notes: dict[Group, Dwell] = field(default_factory=dict)
    read: list[Group] = field(default_factory=list)
    groups_kept: int = GROUPS_KEPT

    def text(self) -> str:
        """As learn.lua takes it."""
        words = {
            "step": self.price_step,
            "price": (PRICE_START, PRICE_MIN, PRICE_MAX),
            "half_ms": HALF_LIFE_S * 1000,
            "most": self.groups_kept,
            "notes": [[str(group), group.exits_kept, *flat(dwell)] for group, dwell in self.notes.items()],
            "read": [str(group) for group in self.read],
        }
        return _encode(words).decode()

    def answered(self, pages: Sequence[str]) -> dict[Group, Dwell]:
        """The pages that learn.lua replied with, empty for groups that nobody knows; none if it had nothing to do."""
        groups = (*self.notes, *self.read)
        return {group: read_page(text) or Dwell() for group, text in zip(groups, pages, strict=False)}


def flat(dwell: Dwell) -> Iterator[float]:
    """The counts that are not nothing, as (bucket, exits, seconds at risk) over and over."""
    for bucket, (exits, at_risk_s) in enumerate(zip(dwell.exits, dwell.at_risk_s, strict=True)):
        if exits or at_risk_s:
            yield from (bucket, exits, round(at_risk_s, 3))


def page_text(dwell: Dwell, since_ms: int) -> str:
    """A page as it is stored, to be faded from `since_ms` on."""
    pairs = [(round(exits, 3), round(at_risk_s, 3)) for exits, at_risk_s in zip(dwell.exits, dwell.at_risk_s, strict=True)]
    while pairs and not any(pairs[-1]):
        pairs.pop()
    return _encode([since_ms, *(count for pair in pairs for count in pair)]).decode()


def read_page(text: str, now_ms: int | None = None) -> Dwell | None:
    """The counts of a page, if `now_ms` is given as much as they are believed by then; None for what is no page of ours."""
    try:
        since_ms, *counts = _numbers(text)
    except ValueError:
        return None
    if len(counts) % 2 or len(counts) > 2 * BUCKETS:
        return None
    missing = [0.0] * (BUCKETS - len(counts) // 2)
    dwell = Dwell(counts[::2] + missing, counts[1::2] + missing)
    if now_ms is not None:
        dwell.fade(0.5 ** (max(0.0, now_ms - since_ms) / (HALF_LIFE_S * 1000)))
    return dwell


def as_price(text: str | None) -> float | None:
    """The price of a look as it is stored; None for what is none."""
    try:
        price = float(text or "nan")
    except ValueError:
        return None
    return price if math.isfinite(price) else None
