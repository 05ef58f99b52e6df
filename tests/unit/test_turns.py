"""Whose turn it is, whatever happens: properties of the order, over all that hypothesis thinks of."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from fleetpoll.turns import Turns

LONGEST_S = 5.0
names = st.sampled_from("abcde")
shares = st.dictionaries(names, st.floats(0.5, 4.0), min_size=2)
lengths = st.lists(st.floats(0.0, LONGEST_S), min_size=1, max_size=100)


def served(turns: Turns, ready: set[str], lengths_s: list[float]) -> Counter[str]:
    """How long each had turns, while the same are ready all the time."""
    spent: Counter[str] = Counter()
    for length_s in lengths_s:
        chosen = turns.next(ready)
        turns.took(chosen, length_s)
        spent[chosen] += length_s  # type: ignore[assignment] # a Counter of seconds
    return spent


@given(shares, lengths, lengths)
def test_those_who_are_always_ready_get_their_shares(
    given_shares: dict[str, float], before: list[float], lengths_s: list[float]
) -> None:
    """However it began, two of them differ by no more than one turn of each."""
    turns, ready = Turns(given_shares), set(given_shares)
    served(turns, {next(iter(ready))}, before)
    spent = served(turns, ready, lengths_s)

    for one in ready:
        for other in ready - {one}:
            slack_s = LONGEST_S / given_shares[one] + LONGEST_S / given_shares[other]
            assert spent[one] / given_shares[one] - spent[other] / given_shares[other] <= slack_s + 1e-6


@given(shares, st.lists(st.tuples(st.sets(names, min_size=1), st.floats(0.0, LONGEST_S)), max_size=20))
def test_nobody_who_is_ready_is_passed_over_for_ever(
    given_shares: dict[str, float], steps: list[tuple[set[str], float]]
) -> None:
    """Whoever comes and goes, and whoever hoarded or owes: it is one of the ready, and all of them soon had a turn."""
    turns = Turns(given_shares)
    for ready, length_s in steps:
        if here := ready & set(given_shares):
            chosen = turns.next(here)
            assert chosen in here
            turns.took(chosen, length_s)

    everybody, seen = set(given_shares), set[str]()
    debt = (1 + len(steps)) * LONGEST_S / min(given_shares.values())
    for _ in range(len(everybody) + int(debt * sum(given_shares.values()))):
        chosen = turns.next(everybody)
        turns.took(chosen, 1.0)
        seen.add(chosen)
    assert seen == everybody


@given(lengths)
def test_idleness_is_no_credit(lengths_s: list[float]) -> None:
    """Who was away while another worked has no turns to catch up on."""
    turns = Turns({"busy": 1.0, "idle": 1.0})
    served(turns, {"busy"}, lengths_s)

    spent = served(turns, {"busy", "idle"}, [1.0] * 40)

    assert spent["busy"] >= 20 - LONGEST_S


def test_shares_decide_where_turns_are_scarce() -> None:
    """Three to one is three to one."""
    spent = served(Turns({"a": 3.0, "b": 1.0}), {"a", "b"}, [0.5] * 400)

    assert (spent["a"], spent["b"]) == (150.0, 50.0)
