"""The head of every Lua verb is a contract: these tests hold it against the body."""

from __future__ import annotations

import re
from importlib import resources
from itertools import chain

import pytest

from fleetpoll.state.scripts import HEADS, VERBS, source, text

FIRST_LINE = re.compile(r"-- ([a-z]+): \S.*[^.\s].*")
NAMED = re.compile(r"(KEYS|ARGV)\[(\d+)(…?)\]")
USED = re.compile(r"(KEYS|ARGV)\[(\d+)\]")
FROM_HERE_ON = re.compile(r"unpack\(ARGV\b|#ARGV\b|ARGV\[\D")
LOOP = re.compile(r"\b(?:i|place) = (\d+)(?:, (?:#ARGV(?:, 2)?|(?:count|jobs) \+ \d+) do|\nwhile i <= #ARGV do)")
FOLDER = resources.files("fleetpoll.state") / "lua"
LINES_MAX = 60
TEXTS = sorted({*chain.from_iterable(HEADS.values()), *VERBS})


def parts(verb: str) -> tuple[str, str]:
    """The comment on top of a script, and the rest without comments; those of the head that it begins with behind each."""
    heads, bodies = [], []
    for name in (verb, *HEADS.get(verb, ())):
        lines = text(name).splitlines()
        length = next(number for number, line in enumerate(lines) if not line.startswith("--"))
        heads.append("\n".join(lines[:length]))
        bodies.append("\n".join(line.partition("--")[0] for line in lines[length:]))
    return "\n".join(heads), "\n".join(bodies)


def named(head: str, kind: str) -> tuple[set[int], bool]:
    """The numbers that a head names, and whether the last of them is open-ended."""
    found = [(int(number), bool(more)) for name, number, more in NAMED.findall(head) if name == kind]
    return {number for number, _ in found}, any(more for _, more in found)


def used(body: str, kind: str) -> set[int]:
    """The numbers that a body uses by name."""
    return {int(number) for name, number in USED.findall(body) if name == kind}


def test_the_folder_holds_the_verbs_and_nothing_else() -> None:
    """Every script is a verb that is loaded, or a head that some begin with, and every verb has its script."""
    assert sorted(entry.name for entry in FOLDER.iterdir()) == [f"{name}.lua" for name in TEXTS]


@pytest.mark.parametrize("verb", sorted(HEADS))
def test_a_verb_with_a_head_is_run_with_the_head_in_front(verb: str) -> None:
    """What reads and refills a bucket stands once, and every verb on a bucket begins with it."""
    assert source(verb) == "".join(map(text, HEADS[verb])) + text(verb)


@pytest.mark.parametrize("verb", VERBS)
def test_a_script_begins_with_what_it_does(verb: str) -> None:
    """The first line is the verb and a sentence; the head says what it returns."""
    head, _ = parts(verb)
    first = FIRST_LINE.fullmatch(head.splitlines()[0])

    assert first is not None
    assert first[1] == verb
    assert "\n-- Returns " in head


@pytest.mark.parametrize("verb", VERBS)
def test_a_head_names_the_keys_that_the_body_uses(verb: str) -> None:
    """No key is unnamed, none is named in vain, and their numbers have no gaps."""
    head, body = parts(verb)
    numbers, open_ended = named(head, "KEYS")

    assert numbers == used(body, "KEYS")
    assert numbers == set(range(1, len(numbers) + 1))
    assert not open_ended
    assert not re.search(r"#KEYS|KEYS\[\D|unpack\(KEYS", body)


@pytest.mark.parametrize("verb", VERBS)
def test_a_head_names_the_arguments_that_the_body_uses(verb: str) -> None:
    """No argument is unnamed or named in vain; only an open-ended last one may be used by its place in a loop."""
    head, body = parts(verb)
    numbers, open_ended = named(head, "ARGV")
    last = {max(numbers)} if open_ended else set()

    assert numbers - last == used(body, "ARGV") - last
    assert numbers == set(range(1, len(numbers) + 1))
    assert bool(FROM_HERE_ON.search(body)) == open_ended


@pytest.mark.parametrize("verb", VERBS)
def test_the_loop_over_arguments_begins_where_the_head_says(verb: str) -> None:
    """ARGV[n…] in the head is a loop from n in the body."""
    head, body = parts(verb)
    begins = {int(start) for start in LOOP.findall(body)}

    assert begins == {int(number) for _, number, more in NAMED.findall(head) if more}


@pytest.mark.parametrize("verb", VERBS)
def test_a_script_touches_no_key_that_it_was_not_given(verb: str) -> None:
    """Each command's key is one of KEYS: a Cluster must know them beforehand, and only keys.py makes any."""
    _, body = parts(verb)
    touched = re.findall(r"redis\.(?:call|pcall)\('(\w+)'(?:, '[A-Z]+')?(?:, ([^,)]+))?", body)

    assert touched
    assert {target for command, target in touched if command != "TIME"} <= {f"KEYS[{number}]" for number in range(1, 13)}
    assert "fleetpoll" not in body


@pytest.mark.parametrize("verb", VERBS)
def test_a_script_never_walks_the_keys(verb: str) -> None:
    """Nothing that grows with the whole server is asked."""
    _, body = parts(verb)

    assert not re.search(r"'(KEYS|SCAN|HSCAN|ZSCAN|SSCAN|FLUSHDB|FLUSHALL|EVAL|LOAD)'", body)


@pytest.mark.parametrize("name", TEXTS)
def test_a_script_is_short(name: str) -> None:
    """One file fits on one screen or so."""
    assert len(text(name).splitlines()) <= LINES_MAX
