"""What the hook does with a job: describe, check, poll, wait, terminate. Each case is for any contender."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.parity.contender import JOB, THROTTLED, Contender, described, refused, scene

LIVE = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
CONSTANTS: dict[str, Any] = {
    "MAX_RETRIES": 4200,
    "STATUS_RETRIES": 10,
    "DEFAULT_DELAY_MIN": 1,
    "DEFAULT_DELAY_MAX": 10,
    "FAILURE_STATE": "FAILED",
    "SUCCESS_STATE": "SUCCEEDED",
    "RUNNING_STATE": "RUNNING",
    "INTERMEDIATE_STATES": LIVE,
}
OTHER_JOB = "11111111-2222-4333-8444-555555555555"


def constants(contender: Contender) -> None:
    """The class holds the hook's figures and statuses."""
    hook = scene(contender, {}).hook
    assert {name: getattr(type(hook), name) for name in CONSTANTS} == CONSTANTS


def limits(contender: Contender) -> None:
    """Both limits have defaults, which 0 and None mean as well."""
    for given, expected in (({}, (4200, 10)), ({"max_retries": 0, "status_retries": 0}, (4200, 10))):
        hook = scene(contender, {}, **given).hook
        assert (hook.max_retries, hook.status_retries) == expected
    hook = scene(contender, {}, max_retries=3, status_retries=2).hook
    assert (hook.max_retries, hook.status_retries) == (3, 2)


def the_client_is_the_given_one(contender: Contender) -> None:
    """Nothing stands in front of it without a fleet."""
    it = scene(contender, {})
    assert it.hook.client is it.aws


def a_job_is_terminated(contender: Contender) -> None:
    """By AWS's call, whose answer is returned and logged."""
    it = scene(contender, {"ResponseMetadata": {"HTTPStatusCode": 200}})
    assert it.hook.terminate_job(JOB, "enough") == {"ResponseMetadata": {"HTTPStatusCode": 200}}
    assert it.aws.asked == [(JOB, "enough")]
    assert "200" in it.logged[0]


def success_is_true(contender: Contender) -> None:
    """A job that has SUCCEEDED, after one question for it alone."""
    it = scene(contender, described("SUCCEEDED"))
    assert it.hook.check_job_success(JOB) is True
    assert it.aws.asked == [[JOB]]
    assert it.slept == []


def no_success_raises(contender: Contender) -> None:
    """Each other status has its sentence, with the id and what AWS says."""
    words: list[tuple[str | None, str]] = [("FAILED", "failed"), ("STRANGE", "has unknown status")]
    words += [(None, "has unknown status"), *((status, "is not complete") for status in LIVE)]
    for status, sentence in words:
        answer = described(status)
        with pytest.raises(contender.error) as raised:
            scene(contender, answer).hook.check_job_success(JOB)
        assert str(raised.value) == f"AWS Batch job ({JOB}) {sentence}: {answer['jobs'][0]}"


def a_description_is_the_jobs_own(contender: Contender) -> None:
    """The one with the id that was asked for, whatever else the answer holds."""
    answer = {"jobs": [*described("FAILED", OTHER_JOB)["jobs"], *described("RUNNING")["jobs"]]}
    assert scene(contender, answer).hook.get_job_description(JOB) == {"jobId": JOB, "status": "RUNNING"}
    assert type(scene(contender, {}).hook).parse_job_description(JOB, answer) == {"jobId": JOB, "status": "RUNNING"}


def an_answer_without_just_one_description_raises(contender: Contender) -> None:
    """No jobs, none of this id, or two of it; the message holds the answer."""
    twice = {"jobs": described("RUNNING")["jobs"] * 2}
    answers: list[dict[str, Any]] = [{}, {"jobs": []}, described("RUNNING", OTHER_JOB), twice]
    for answer in answers:
        with pytest.raises(contender.error) as raised:
            type(scene(contender, {}).hook).parse_job_description(JOB, answer)
        assert str(raised.value) == f"AWS Batch job ({JOB}) description error: response: {answer}"


def a_description_is_asked_for_again(contender: Contender) -> None:
    """While AWS throttles or leaves the job out, after pauses that grow, each with a warning."""
    it = scene(contender, THROTTLED, {"jobs": []}, THROTTLED, described("RUNNING"))
    assert it.hook.get_job_description(JOB)["status"] == "RUNNING"
    assert it.aws.asked == [[JOB]] * 4
    assert it.slept == [0.01, 0.02, 0.03]
    ignored, absent, again = (line for line in it.logged if line.startswith("WARNING"))
    assert ignored == again
    assert ignored.startswith(
        "WARNING Ignored TooManyRequestsException error, original message: 'An error occurred (TooMany"
    )
    assert absent == f"WARNING AWS Batch job ({JOB}) description error: response: {{'jobs': []}}"
    assert f"INFO AWS Batch job ({JOB}) description retry (1 of 10) in the next 0.01 seconds" in it.logged


def a_description_is_given_up(contender: Contender) -> None:
    """After `status_retries` calls in all, 10 or as given."""
    absent: dict[str, Any] = {"jobs": []}
    limits: list[tuple[dict[str, int], int]] = [({}, 10), ({"status_retries": 1}, 1), ({"status_retries": 3}, 3)]
    for answer in (THROTTLED, absent):
        for given, calls in limits:
            it = scene(contender, answer, **given)
            with pytest.raises(contender.error) as raised:
                it.hook.get_job_description(JOB)
            assert str(raised.value) == f"AWS Batch job ({JOB}) description error: exceeded status_retries ({calls})"
            assert len(it.aws.asked) == calls
            assert it.slept == [tries / 100 for tries in range(1, calls)]


def another_refusal_comes_through(contender: Contender) -> None:
    """At once and unchanged: asking again would not help."""
    for code in ("ClientException", "AccessDeniedException", "InvalidClientTokenId"):
        it = scene(contender, refused(code))
        for ask in (it.hook.get_job_description, it.hook.check_job_success, it.hook.poll_for_job_running):
            with pytest.raises(ClientError) as raised:
                ask(JOB)
            assert raised.value is it.aws.answers[0]
        assert len(it.aws.asked) == 3


def a_poll_looks_first(contender: Contender) -> None:
    """A job that is there already costs one question and no pause."""
    it = scene(contender, described("RUNNABLE"))
    assert it.hook.poll_job_status(JOB, ["RUNNABLE", "STARTING"]) is True
    assert (it.aws.asked, it.slept) == ([[JOB]], [])
    assert it.logged == [f"INFO AWS Batch job ({JOB}) check status (RUNNABLE) in ['RUNNABLE', 'STARTING']"]


def a_poll_backs_off(contender: Contender) -> None:
    """Each further check comes after the pause of as many tries."""
    it = scene(contender, *[described("STARTING")] * 5, described("RUNNING"))
    assert it.hook.poll_job_status(JOB, ["RUNNING"]) is True
    assert it.slept == [0.01, 0.02, 0.03, 0.04, 0.05]
    assert f"INFO AWS Batch job ({JOB}) status check (5 of 4200) in the next 0.05 seconds" in it.logged


def a_poll_is_given_up(contender: Contender) -> None:
    """After `max_retries` further checks."""
    for retries in (1, 4):
        it = scene(contender, described("RUNNABLE"), max_retries=retries)
        with pytest.raises(contender.error) as raised:
            it.hook.poll_job_status(JOB, ["RUNNING"])
        assert str(raised.value) == f"AWS Batch job ({JOB}) status checks exceed max_retries"
        assert it.aws.asked == [[JOB]] * (1 + retries)
        assert it.slept == [tries / 100 for tries in range(1, 1 + retries)]


def throttles_inside_a_poll_are_not_checks(contender: Contender) -> None:
    """A description that was had at the second attempt is one check, not two."""
    it = scene(contender, THROTTLED, described("RUNNABLE"), THROTTLED, described("RUNNING"), max_retries=1)
    assert it.hook.poll_job_status(JOB, ["RUNNING"]) is True
    assert it.slept == [0.01, 0.01, 0.01]


def statuses_that_end_a_poll(contender: Contender) -> None:
    """Running or over already for the one, SUCCEEDED or FAILED for the other; the delay comes before."""
    for method, ends in (
        ("poll_for_job_running", ("RUNNING", "SUCCEEDED", "FAILED")),
        ("poll_for_job_complete", ("SUCCEEDED", "FAILED")),
    ):
        for status in (*LIVE, "SUCCEEDED", "FAILED"):
            it = scene(contender, described(status), max_retries=2)
            poll: Any = getattr(it.hook, method)
            if status in ends:
                assert poll(JOB, delay=7) is None
                assert (it.slept, len(it.aws.asked)) == ([7], 1)
            else:
                with pytest.raises(contender.error, match="exceed max_retries"):
                    poll(JOB)
                assert (it.slept, len(it.aws.asked)) == ([None, 0.01, 0.02], 3)


class Fetcher:
    """Notes what is done with it."""

    def __init__(self, happened: list[Any]) -> None:
        self.happened = happened

    def start(self) -> None:
        """Noted."""
        self.happened.append("start")

    def stop(self) -> None:
        """Noted."""
        self.happened.append("stop")

    def join(self) -> None:
        """Noted."""
        self.happened.append("join")


def a_wait_is_two_polls(contender: Contender) -> None:
    """A delay, the poll for running, then the poll for completion, each with the same delay; FAILED is no error."""
    for end in ("SUCCEEDED", "FAILED"):
        it = scene(contender, described("RUNNABLE"), described("RUNNING"), described("RUNNING"), described(end))
        assert it.hook.wait_for_job(JOB, delay=3) is None
        assert it.slept == [3, 3, 0.01, 3, 0.01]
        assert it.logged[-1] == f"INFO AWS Batch job ({JOB}) has completed"
    it = scene(contender, described("SUCCEEDED"))
    it.hook.wait_for_job(JOB)
    assert it.slept == [None, None, None]


def a_log_fetcher_works_while_the_job_runs(contender: Contender) -> None:
    """It is asked for once the job runs, and has ended afterwards, even when the wait has failed."""
    for last in (described("SUCCEEDED"), refused("ClientException")):
        it = scene(contender, described("RUNNING"), described("RUNNING"), last)
        wanted: list[str] = []

        def fetcher(job_id: str, wanted: list[str] = wanted, happened: list[Any] = it.happened) -> Fetcher:
            wanted.append(job_id)
            return Fetcher(happened)

        if isinstance(last, Exception):
            with pytest.raises(ClientError):
                it.hook.wait_for_job(JOB, 0, fetcher)
        else:
            it.hook.wait_for_job(JOB, 0, get_batch_log_fetcher=fetcher)
        assert wanted == [JOB]
        assert it.happened == [("delay", 0), ("delay", 0), "start", ("delay", 0), ("delay", 0.01), "stop", "join"]


def a_job_may_have_no_log_fetcher(contender: Contender) -> None:
    """None is as good as none asked for."""
    it = scene(contender, described("SUCCEEDED"))
    it.hook.wait_for_job(JOB, 0, lambda _: None)
    assert len(it.aws.asked) == 2


CASES = (
    constants,
    limits,
    the_client_is_the_given_one,
    a_job_is_terminated,
    success_is_true,
    no_success_raises,
    a_description_is_the_jobs_own,
    an_answer_without_just_one_description_raises,
    a_description_is_asked_for_again,
    a_description_is_given_up,
    another_refusal_comes_through,
    a_poll_looks_first,
    a_poll_backs_off,
    a_poll_is_given_up,
    throttles_inside_a_poll_are_not_checks,
    statuses_that_end_a_poll,
    a_wait_is_two_polls,
    a_log_fetcher_works_while_the_job_runs,
    a_job_may_have_no_log_fetcher,
)
