"""What one process has learnt, and what it sends and asks for with its settlements."""

from __future__ import annotations

from fleetpoll.cadence.dwell import ALL, DEFINITION, EXITS_KEPT, Dwell, Group, Groups, groups_of
from fleetpoll.cadence.notebook import PAGES_KEPT, PAGES_READ, PAGES_SENT, PAGES_WAITING, STALE_S, Notebook
from fleetpoll.jobs import JobStatus

RUNNING, RUNNABLE = JobStatus.RUNNING, JobStatus.RUNNABLE
GROUPS = groups_of(RUNNING, "q", "align:1")


def page(exits: int) -> Dwell:
    """A page with so many exits."""
    dwell = Dwell()
    for _ in range(exits):
        dwell.note(0.0, 60.0, left=True)
    return dwell


def known(notebook: Notebook, groups: Groups = GROUPS) -> float:
    """How many exits are known, some time later."""
    notebook.now_s += STALE_S + 0.1
    return notebook.known(groups)


def sent(notebook: Notebook, times: int) -> list[Group]:
    """The groups whose notes go with the next settlements."""
    return [group for _ in range(times) for group in notebook.homework().notes]


def test_a_process_believes_what_it_has_seen_before_it_has_told_anybody() -> None:
    """Notes count at once, and still after they were sent: they are believed to have arrived."""
    notebook = Notebook()
    notebook.note(GROUPS, 0.0, 50.0, left=True)
    assert known(notebook) == 1
    sent(notebook, 3)
    assert known(notebook) == 1


def test_notes_count_beside_what_the_fleet_knows() -> None:
    """A page that was read takes the place of the one before; notes that are not sent yet come on top."""
    notebook = Notebook()
    notebook.note(GROUPS, 0.0, 50.0, left=True)
    notebook.absorb(dict.fromkeys(GROUPS, page(10)))
    assert known(notebook) == 11
    notebook.absorb(dict.fromkeys(GROUPS, page(20)))
    assert known(notebook) == 21


def test_a_hazard_is_used_for_a_while() -> None:
    """It is not worked out anew for every job of a call."""
    notebook = Notebook()
    before = notebook.hazards(GROUPS)
    notebook.note(GROUPS, 0.0, 50.0, left=True)
    assert notebook.hazards(GROUPS) is before
    notebook.now_s += STALE_S + 0.1
    assert notebook.hazards(GROUPS) != before


def test_one_page_is_sent_at_a_time_and_only_once() -> None:
    """Three groups of a job take three settlements; then there is nothing to tell."""
    notebook = Notebook()
    notebook.note(GROUPS, 0.0, 50.0, left=True)
    assert sent(notebook, 6) == list(GROUPS)


def test_where_many_pages_wait_several_are_sent() -> None:
    """A fleet of many definitions learns of all of them, at no more cost than a few pages a settlement."""
    notebook = Notebook()
    for number in range(2 * PAGES_WAITING):
        notebook.note(groups_of(RUNNABLE, "q", f"d{number}"), 0.0, 5.0, left=True)
    some = len(notebook.homework().notes)
    for number in range(5 * PAGES_WAITING):
        notebook.note(groups_of(RUNNABLE, "q", f"d{number}"), 0.0, 5.0, left=True)

    assert some == 3
    assert len(notebook.homework().notes) == PAGES_SENT


def test_what_is_noted_meanwhile_is_sent_together() -> None:
    """All notes on a page that have piled up go at once."""
    notebook = Notebook()
    for _ in range(5):
        notebook.note(GROUPS, 10.0, 50.0, left=True)
    (notes,) = notebook.homework().notes.values()
    assert notes.known == 5
    assert sum(notes.at_risk_s) == 200.0


def test_ends_of_runs_and_other_notes_take_turns() -> None:
    """Many who wait do not keep the ends back, nor the ends the others."""
    notebook = Notebook()
    for number in range(50):
        notebook.note(groups_of(RUNNABLE, "q", f"w{number}"), 0.0, 5.0, left=False)
        notebook.note(groups_of(RUNNING, "q", f"r{number}"), 0.0, 5.0, left=True)
    statuses = [group.status for group in sent(notebook, 20)]
    assert statuses.count(RUNNING) == statuses.count(RUNNABLE) == 10


def test_a_run_that_goes_on_is_no_end() -> None:
    """It waits among the others, until one of its group ends."""
    notebook = Notebook()
    notebook.note(GROUPS, 0.0, 5.0, left=False)
    assert list(notebook._others) == list(GROUPS)
    notebook.note(GROUPS, 5.0, 9.0, left=True)
    notebook.note(GROUPS, 0.0, 5.0, left=False)
    assert not notebook._others
    assert list(notebook._ended) == list(GROUPS)


def test_pages_are_asked_for_until_they_were_read() -> None:
    """A process that meets a group wants to know what the fleet knows of it; one that was read is not asked for again."""
    notebook = Notebook()
    notebook.hazards(GROUPS)
    assert notebook.homework().read == list(GROUPS)
    notebook.absorb({GROUPS[0]: page(1)})
    assert notebook.homework().read == list(GROUPS[1:])


def test_a_page_that_notes_go_to_comes_back_by_itself() -> None:
    """It is not asked for as well."""
    notebook = Notebook()
    notebook.note(GROUPS, 0.0, 5.0, left=True)
    homework = notebook.homework()
    assert not set(homework.notes) & set(homework.read)


def test_groups_that_nobody_answered_for_do_not_stand_before_others() -> None:
    """What was asked for without an answer is asked for again after all others, a few at a time."""
    notebook = Notebook()
    for number in range(2 * PAGES_READ):
        notebook.hazards(groups_of(RUNNING, "q", f"new{number}"))
    asked = [group for _ in range(3) for group in notebook.homework().read]
    assert len(asked) == 3 * PAGES_READ
    assert set(notebook._pages) <= set(asked)


def test_of_too_many_definitions_those_that_were_met_first_are_forgotten() -> None:
    """What all jobs and a queue have in common stays; a definition that is met again is read again."""
    notebook = Notebook()
    for number in range(PAGES_KEPT + 50):
        notebook.note(groups_of(RUNNING, "q", f"d{number}"), 0.0, 5.0, left=True)

    assert len(notebook._pages) == PAGES_KEPT
    assert set(groups_of(RUNNING, "q", "d0")[:2]) <= set(notebook._pages)
    assert Group(RUNNING, DEFINITION, "d51") not in notebook._pages
    assert set(notebook._ended) | set(notebook._unread) <= set(notebook._pages)
    assert known(notebook, groups_of(RUNNING, "q", "d0")) == EXITS_KEPT[ALL]
    assert Group(RUNNING, ALL) in notebook._pages


def test_a_job_that_has_just_come_is_nothing_to_tell() -> None:
    """No time at risk and no exit is no note; an exit without time at risk is one."""
    notebook = Notebook()
    notebook.note(GROUPS, 0.0, 0.0, left=False)
    assert notebook.homework().notes == {}
    notebook.note(GROUPS, 0.0, 0.0, left=True)
    assert set(notebook.homework().notes) == {GROUPS[0]}


def test_nothing_to_learn_is_no_homework() -> None:
    """A process that has met nobody asks nothing."""
    homework = Notebook().homework()
    assert (homework.notes, homework.read) == ({}, [])
