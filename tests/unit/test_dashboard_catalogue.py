"""The index of jobs: each page is what sorting and searching everything would have given."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from fleetpoll.dashboard import catalogue as rooms_of_index
from fleetpoll.dashboard.asked import SORTS, Query
from fleetpoll.dashboard.catalogue import NUMBER, Catalogue
from fleetpoll.errors import SettingsError
from fleetpoll.jobs import JobStatus, Snapshot, Transition
from fleetpoll.state.records import packed
from tests.ids import make_ids

JOBS = 150
STATUSES = (JobStatus.RUNNING, JobStatus.RUNNABLE, JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.UNSEEN)


def value_of(job_id: str, job: Snapshot, sort: str) -> Any:
    """What a job is sorted by."""
    if sort == "job_id":
        return job_id
    return NUMBER[job.status] if sort == "status" else getattr(job, sort.removesuffix("_at") + "_ms" * sort.endswith("_at"))


def some_job(rng: Random) -> Snapshot:
    """Few different values, so that many are equal."""
    tracked, changed, created, started, stopped = (rng.randrange(5) * 1000 for _ in range(5))
    return Snapshot(
        status=rng.choice(STATUSES),
        job_name=f"{rng.choice(('Align', 'train', 'Ünder_%'))}-{rng.randrange(40)}",
        job_queue=rng.choice(("high", "low")),
        job_definition=f"step-{rng.randrange(3)}:1",
        attempt=rng.randrange(3),
        tracked_ms=tracked,
        changed_ms=changed,
        created_ms=created,
        started_ms=started,
        stopped_ms=stopped,
    )


@pytest.fixture(scope="module")
def jobs() -> dict[str, Snapshot]:
    """What the ledger knows."""
    rng = Random(7)
    return {job_id: some_job(rng) for job_id in make_ids(JOBS)}


@pytest.fixture(scope="module")
def index(jobs: dict[str, Snapshot]) -> Iterator[Catalogue]:
    """An index of that, in which half of the jobs were something else before."""
    made, rng = Catalogue(), Random(8)
    made.put({job_id: packed(some_job(rng)) for job_id in list(jobs)[: JOBS // 2]}, 1)
    made.put(records(jobs), 2)
    yield made
    made.close()


def records(jobs: dict[str, Snapshot]) -> dict[str, str]:
    """Jobs as the ledger has them."""
    return {job_id: packed(job) for job_id, job in jobs.items()}


def brute(jobs: dict[str, Snapshot], query: Query) -> list[Any]:
    """The values by which a page is sorted, by looking at everything."""
    words = query.words.lower()
    wanted = [
        value_of(job_id, job, query.sort)
        for job_id, job in jobs.items()
        if (not query.statuses or job.status in query.statuses)
        and any(words in text.lower() for text in (job_id, job.job_name, job.job_queue, job.job_definition))
    ]
    return sorted(wanted, reverse=query.descending)


@pytest.mark.parametrize("words", ["", "ÜNDER_%-1", "g_%", "^", "0000001"])
@pytest.mark.parametrize("sort", SORTS)
def test_pages_are_those_of_a_look_at_everything(index: Catalogue, jobs: dict[str, Snapshot], sort: str, words: str) -> None:
    """By every column, either way, of all or some statuses: page after page, each job once."""
    for statuses in (frozenset[JobStatus](), frozenset(STATUSES[1:3])):
        for descending in (True, False):
            query = Query(statuses, words, sort, descending, size=37)
            expected, got = brute(jobs, query), list[str]()
            for page in range(1, JOBS // 37 + 2):
                found = index.page(Query(statuses, words, sort, descending, page, 37))
                assert (found.total, found.capped) == (len(expected), False)
                got += found.ids
            assert [value_of(job_id, jobs[job_id], sort) for job_id in got] == expected
            assert len(set(got)) == len(got)


def test_searches_that_find_very_much_are_capped(
    index: Catalogue, jobs: dict[str, Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are counted up to a bound and say so; the pages up to there are those of all that there is."""
    monkeypatch.setattr(rooms_of_index, "COUNTED_MAX", 50)
    query = Query(words="step", sort="changed_at")
    found = index.page(query)
    assert (found.total, found.capped) == (50, True)
    assert [jobs[job_id].changed_ms for job_id in found.ids] == brute(jobs, query)[:50]
    assert index.page(Query(words="step", page=2)).ids == []


def test_pages_that_would_take_long_are_refused(index: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deep in the middle only where an index has the order; the last pages are as near as the first."""
    monkeypatch.setattr(rooms_of_index, "DEEP_MAX", 20)
    assert len(index.page(Query(sort="job_queue", page=15, size=10)).ids) == 10
    assert len(index.page(Query(sort="job_name", page=8, size=10)).ids) == 10
    with pytest.raises(SettingsError, match="too deep"):
        index.page(Query(sort="job_queue", page=8, size=10))


def test_what_was_not_seen_in_a_round_can_be_asked_for(jobs: dict[str, Snapshot]) -> None:
    """Who was there, changed or not, is not among them; who is forgotten is in no table and in no count."""
    index, (one, two, three) = Catalogue(), list(jobs)[:3]
    index.put(records({name: jobs[name] for name in (one, two, three)}), 1)
    index.put(records({one: jobs[one]}), 2)
    assert [job_id for _, job_id in index.missed(2, 0, 10)] == [two, three]
    index.forget([two, three, "nobody"])
    assert (index.missed(2, 0, 10), len(index), index.page(Query()).ids) == ([], 1, [one])
    index.close()


def test_timelines_keep_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the stream, however they come; each once; the oldest go when there are too many."""
    monkeypatch.setattr(rooms_of_index, "STEPS_MAX", 10)
    (job_id,), index = make_ids(1), Catalogue()
    known = Snapshot(status=JobStatus.RUNNING)

    def step(number: int) -> Transition:
        fields = {name: getattr(Transition.between(job_id, known, known), name) for name in Transition.__struct_fields__}
        return Transition(**fields | {"cursor": f"{number}-0"})

    index.note([step(3), step(2)])
    index.note([step(1), step(2), step(4)])
    assert [step.cursor for step in index.timeline(job_id, 3)] == ["2-0", "3-0", "4-0"]
    index.note(step(number) for number in range(10, 30))
    assert [step.cursor for step in index.timeline(job_id, 99)] == [f"{number}-0" for number in range(20, 30)]
    index.close()
