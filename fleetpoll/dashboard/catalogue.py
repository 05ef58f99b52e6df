"""An index of the jobs of one fleet, so that a table of a million can be sorted, searched and paged.

It says which jobs are on a page and in which order; what is shown of them is read from the ledger. SQLite, in a private
database that lives in memory and, where that is a lot, in a temporary file; one thread writes, others read in between.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from typing import Any

import msgspec

from fleetpoll.dashboard.asked import SORTS, Query
from fleetpoll.errors import SettingsError
from fleetpoll.jobs import JobStatus, Snapshot, Transition
from fleetpoll.state.events import place
from fleetpoll.state.records import record

CACHE_KB = 786_432
"""What is kept in memory at most, more than a million jobs need; of more the rest is in a temporary file, and a scan of all
takes twice as long."""
COUNTED_MAX = 10_000
"""What a search finds is counted up to so many."""
STEPS_MAX = 200_000
"""Transitions that are kept for the jobs' timelines."""
INDEXED = ("changed_at", "created_at", "job_name")
DEEP_MAX = 20_000
"""How far from both ends a page may be whose order no index has."""
SCAN_GAIN = 5
"""How many rows are read in their order while one is looked up."""
NUMBER = {status: number for number, status in enumerate(JobStatus)}

_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(list[Any]).decode

COLUMNS = (*SORTS, "print", "round", "words")
UPSERT = f"""
INSERT INTO jobs ({", ".join(COLUMNS)}) VALUES ({", ".join("?" * len(COLUMNS))})
ON CONFLICT (job_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])}
"""  # noqa: S608 - columns of ours


@dataclass(frozen=True, slots=True)
class Found:
    """The ids on a page, in their order, and of how many it is one; `capped`: there are more than that."""

    ids: list[str]
    total: int
    capped: bool = False


class Catalogue:
    """The index of one fleet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = MEMORY", "synchronous = OFF", "temp_store = MEMORY", f"cache_size = -{CACHE_KB}"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(files("fleetpoll.dashboard").joinpath("schema.sql").read_text(encoding="utf-8"))
        self._counts: Counter[int] = Counter()
        self._kept = 0

    def __len__(self) -> int:
        """How many jobs it has."""
        return self._counts.total()

    def put(self, records: Mapping[str, str], turn: int) -> None:
        """Take up records of the ledger, as they were in that round; what is the same as before is only marked."""
        with self._write():
            old = self._known(records)
            same = {job_id for job_id, text in records.items() if job_id in old and old[job_id][1] == hash(text)}
            self._db.executemany("UPDATE jobs SET round = ? WHERE job_id = ?", [(turn, job_id) for job_id in same])
            fresh = [job_id for job_id in records if job_id not in same]
            statuses, rows = [], list[tuple[str | int, ...]]()
            for job_id in fresh:
                job = record(records[job_id])
                statuses.append(NUMBER[job.status])
                rows.append((*row_of(job_id, job), hash(records[job_id]), turn, words_of(job_id, job)))
            self._db.executemany(UPSERT, rows)
            self._counts.subtract(old[job_id][0] for job_id in fresh if job_id in old)
            self._counts.update(statuses)

    def forget(self, ids: Iterable[str]) -> None:
        """Drop jobs that are tracked no more."""
        with self._write():
            old = self._known(ids)
            self._db.executemany("DELETE FROM jobs WHERE job_id = ?", ((job_id,) for job_id in old))
            self._counts.subtract(status for status, _ in old.values())

    def missed(self, turn: int, after: int, count: int) -> list[tuple[int, str]]:
        """Some jobs that were not there in that round or a later one, each with its row; `after` is the last row had."""
        with self._lock:
            sql = "SELECT row, job_id FROM jobs WHERE row > ? AND round < ? ORDER BY row LIMIT ?"
            return self._db.execute(sql, (after, turn, count)).fetchall()

    def page(self, query: Query) -> Found:
        """The jobs of a page."""
        statuses = sorted(NUMBER[status] for status in query.statuses or JobStatus)
        with self._lock:
            if query.words:
                return self._searched(query, statuses)
            total = sum(self._counts[number] for number in statuses)
            return Found(self._sorted(query, statuses, total), total)

    def note(self, steps: Iterable[Transition]) -> None:
        """Keep transitions for the timelines, the latest `STEPS_MAX` of them."""
        with self._write():
            rows = [(*place(step.cursor), step.job_id, text_of(step)) for step in steps if step.job_id]
            self._db.executemany("INSERT OR IGNORE INTO steps VALUES (?, ?, ?, ?)", rows)
            self._kept += len(rows)
            if self._kept > STEPS_MAX * 1.1:
                (self._kept,) = self._db.execute("SELECT count(*) FROM steps").fetchone()
                old = "SELECT ms, number FROM steps ORDER BY ms, number LIMIT ?"
                self._db.execute(f"DELETE FROM steps WHERE (ms, number) IN ({old})", (max(0, self._kept - STEPS_MAX),))  # noqa: S608 - no word of anybody's
                self._kept = min(self._kept, STEPS_MAX)

    def timeline(self, job_id: str, count: int) -> list[Transition]:
        """The last transitions of a job that are kept, oldest first."""
        with self._lock:
            sql = "SELECT step FROM steps WHERE job_id = ? ORDER BY ms DESC, number DESC LIMIT ?"
            texts = [text for (text,) in self._db.execute(sql, (job_id, count))]
        names = Transition.__struct_fields__
        return [msgspec.convert(dict(zip(names, _decode(text), strict=True)), Transition) for text in reversed(texts)]

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _write(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _known(self, ids: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Status and print of those jobs that are there."""
        found, rest = dict[str, tuple[int, int]](), iter(ids)
        while chunk := list(islice(rest, 500)):
            sql = f"SELECT job_id, status, print FROM jobs WHERE job_id IN ({marks(chunk)})"  # noqa: S608 - question marks alone
            found |= {job_id: (status, mark) for job_id, status, mark in self._db.execute(sql, chunk)}
        return found

    def _sorted(self, query: Query, statuses: Sequence[int], total: int) -> list[str]:
        """The ids of a page; one behind the middle is counted from the end."""
        size, offset, backwards = query.size, query.offset, False
        if offset >= total:
            return []
        if offset > total // 2:
            size, backwards = min(size, total - offset), True
            offset = max(0, total - offset - size)
        order = "DESC" if query.descending is not backwards else "ASC"
        by = f"ORDER BY 2 {order}, 1 {order} LIMIT {size} OFFSET {offset}"
        if query.sort in INDEXED:  # SQLite merges what comes in order from the index of each status
            each = f"SELECT row, {query.sort} FROM jobs WHERE status = "  # noqa: S608 - a column of ours
            rows = " UNION ALL ".join(f"{each}{number}" for number in statuses)
        else:
            if offset > DEEP_MAX:
                raise SettingsError(
                    f"That page is too deep for this order: choose statuses, search, or sort by {', '.join(INDEXED)}."
                )
            rows = f"SELECT row, {query.sort} FROM {self._those(statuses)}"  # noqa: S608 - the same
        page = self._ids(self._db.execute(f"{rows} {by}").fetchall())
        return page[::-1] if backwards else page

    def _searched(self, query: Query, statuses: Sequence[int]) -> Found:
        """The page of a search: what it finds is counted up to `COUNTED_MAX`, and all of it is put in order."""
        words = part(query.words.lower())
        sql = f"SELECT row, {query.sort} FROM {self._those(statuses)} AND words LIKE ? ESCAPE '^'"  # noqa: S608 - columns and numbers of ours
        rows = self._db.execute(f"{sql} LIMIT {COUNTED_MAX + 1}", (words,)).fetchall()
        order = "DESC" if query.descending else "ASC"
        if len(rows) > COUNTED_MAX:
            by = f"ORDER BY +{query.sort} {order}, row {order} LIMIT {query.size} OFFSET {query.offset}"
            page = self._db.execute(f"{sql} {by}", (words,)).fetchall() if query.offset < COUNTED_MAX else []
            return Found(self._ids(page), COUNTED_MAX, capped=True)
        rows.sort(key=lambda row: (row[1], row[0]), reverse=query.descending)
        page = rows[query.offset : query.offset + query.size]
        return Found(self._ids(page), len(rows))

    def _those(self, statuses: Sequence[int]) -> str:
        """The jobs of some statuses, for a scan: by an index, which takes five times as long a row, only if they are few."""
        few = sum(self._counts[number] for number in statuses) * SCAN_GAIN < len(self)
        return f"jobs{'' if few else ' NOT INDEXED'} WHERE status IN ({','.join(map(str, statuses))})"

    def _ids(self, rows: Sequence[tuple[int, object]]) -> list[str]:
        """The ids of some rows, in their order."""
        numbers = [row for row, _ in rows]
        ids = dict(self._db.execute(f"SELECT row, job_id FROM jobs WHERE row IN ({marks(numbers)})", numbers))  # noqa: S608 - marks
        return [ids[row] for row in numbers]


def row_of(job_id: str, job: Snapshot) -> tuple[str | int, ...]:
    """What of a job can be sorted, in the order of SORTS."""
    words = (job_id, job.job_name, NUMBER[job.status], job.job_queue, job.job_definition)
    return (*words, job.attempt, job.created_ms, job.started_ms, job.stopped_ms, job.tracked_ms, job.changed_ms)


def text_of(step: Transition) -> str:
    """A transition as it is kept: its values in their order."""
    return _encode(msgspec.structs.astuple(step)).decode()


def words_of(job_id: str, job: Snapshot) -> str:
    """What of a job can be searched."""
    return f"{job.job_name}\n{job_id}\n{job.job_queue}\n{job.job_definition}".lower()


def part(words: str) -> str:
    """A pattern for what these words are a part of, whatever signs are in them; it takes half as long as instr."""
    return "%{}%".format("".join(f"^{sign}" if sign in "%_^" else sign for sign in words))


def marks(values: Sequence[object]) -> str:
    """So many question marks."""
    return ",".join("?" * len(values))
