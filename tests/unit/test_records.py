"""How snapshots are written: short, and so that every release can read them."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fleetpoll.jobs import JobStatus, Snapshot
from fleetpoll.state.records import NEW_HEAD, NEW_TAIL, SIGN, UNREADABLE, USUAL, packed, record

TIMES = st.one_of(st.just(0), st.integers(1, 2**53))
WORDS = st.one_of(
    st.just(""),
    st.text(max_size=8),
    st.sampled_from((USUAL, "align/default/1f", "align/default/", '",0', "0", SIGN, 2 * SIGN, f"{SIGN}x")),
)
STREAMS = WORDS.filter(lambda name: not name.startswith(SIGN))
SNAPSHOTS = st.builds(
    Snapshot,
    status=st.sampled_from(JobStatus),
    tracked_ms=TIMES,
    changed_ms=TIMES,
    job_name=WORDS,
    job_queue=WORDS,
    job_definition=st.sampled_from(
        ("", "align:3", "align", "sort:1", ":1", "arn:aws:batch:eu-west-1:1:job-definition/align:3")
    ),
    status_reason=WORDS,
    attempt=st.integers(0, 3),
    exit_code=st.one_of(st.none(), st.integers(0, 137)),
    reason=WORDS,
    log_stream=STREAMS,
    created_ms=TIMES,
    started_ms=TIMES,
    stopped_ms=TIMES,
    absences=st.integers(0, 9),
)
ENDED = Snapshot(
    status=JobStatus.SUCCEEDED,
    tracked_ms=1_732_276_800_000,
    changed_ms=1_732_276_860_000,
    job_name="align-sample-000123-lane-7-of-flowcell-HX5G",
    job_queue="prod-high-priority",
    job_definition="align-reads-hg38:12",
    status_reason=USUAL,
    attempt=1,
    exit_code=0,
    log_stream="align-reads-hg38/default/0123456789abcdef0123456789abcdef",
    created_ms=1_732_276_790_000,
    started_ms=1_732_276_820_000,
    stopped_ms=1_732_276_859_000,
)


@given(SNAPSHOTS)
def test_what_is_written_is_read_again(snapshot: Snapshot) -> None:
    """No field is lost or made up by what is left out, whatever stands in it."""
    assert record(packed(snapshot)) == snapshot


@given(SNAPSHOTS)
def test_the_release_before_reads_what_a_worker_goes_by(snapshot: Snapshot) -> None:
    """It takes the signs for words, and knows by the next look; status, times, counts and names are as they were."""
    plain = msgspec.json.decode(packed(snapshot), type=Snapshot)

    assert msgspec.structs.replace(plain, log_stream="", status_reason="") == msgspec.structs.replace(
        snapshot, log_stream="", status_reason=""
    )


@given(SNAPSHOTS.filter(lambda snapshot: snapshot.status_reason.strip(SIGN) or not snapshot.status_reason))
def test_what_the_release_before_has_written_is_read(snapshot: Snapshot) -> None:
    """It left nothing out and knew no signs."""
    assert record(msgspec.json.encode(snapshot).decode()) == snapshot


def test_a_job_that_has_ended_takes_no_more_than_memory_is_handed_out_in() -> None:
    """With a name of 43 characters: 220 bytes and the server's own four are a step of its memory, the next one is 256."""
    assert len(packed(ENDED)) <= 220
    assert json.loads(packed(ENDED))[0] == "SUCCEEDED"  # the scripts read the status there


def test_a_new_job_is_its_status_and_the_moment() -> None:
    """The scripts write it, around the server's clock."""
    assert record(f"{NEW_HEAD}7{NEW_TAIL}") == Snapshot(tracked_ms=7)


def test_what_is_no_record_is_unknown() -> None:
    """It does not hide its neighbours."""
    assert record("[") is record('{"a": 1}') is UNREADABLE
