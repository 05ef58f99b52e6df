"""Who of several takes the next turn, by shares. Pure: no clock; who measures the turns tells how long they were.

Each has a virtual time that grows by (length of its turns / its share), and the least goes first. Whoever was not ready for
a while goes on from where the others have got to meanwhile: idleness earns nothing, and costs nothing either.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping


class Turns:
    """The order of turns among those named in `shares`; of equals the one that is named first goes first.

    While two of them are ready all the time, the turns that they had, each divided by its share, differ by no more than one
    turn of each. Nobody who is ready waits while nobody has a turn.
    """

    def __init__(self, shares: Mapping[str, float]) -> None:
        self._shares = dict(shares)
        self._spent = dict.fromkeys(self._shares, 0.0)
        self._waiting: frozenset[str] = frozenset()
        self._now = 0.0  # virtual time: what whoever had the last turn had spent before it

    def next(self, ready: Collection[str]) -> str:
        """Whose turn it is, of those that are `ready`: at least one is."""
        for name in ready:
            if name not in self._waiting:
                self._spent[name] = max(self._spent[name], self._now)
        self._waiting = frozenset(ready)
        chosen = min((name for name in self._spent if name in self._waiting), key=self._spent.__getitem__)
        self._now = self._spent[chosen]
        return chosen

    def took(self, name: str, length_s: float) -> None:
        """A turn is over."""
        self._spent[name] += length_s / self._shares[name]
