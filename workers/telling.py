"""What a poller logs of its passes: changes, not ticks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import structlog

from fleetpoll.errors import Throttled
from fleetpoll.jobs import JobStatus

if TYPE_CHECKING:
    from fleetpoll.cycle import Pass

log = structlog.get_logger("poller")


STARTING, WAITING, ASKING = "starting", "waiting for a token", "asking AWS"


def did(done: Pass) -> str:
    """What a pass says of what its worker does, in a few words for operators."""
    if done.paused:
        return "paused"
    if done.idle:
        return "idle"
    return ASKING if done.calls else WAITING


def tell(done: Pass) -> None:
    """What was remarkable in a pass; everything about single jobs only for who debugs."""
    tell_of_losses(done)
    if isinstance(done.failure, Throttled):
        words = "throttled by AWS, the fleet slows down" if done.slowed else "throttled by AWS, once is no limit"
        log.log(logging.INFO if done.slowed else logging.DEBUG, words, answer=str(done.failure))
    for job_id in done.childless:
        log.warning("not an array, so it has no children to follow", job=job_id)
    for transition in done.moved:
        if transition.after is JobStatus.REJECTED:
            log.warning("AWS refuses to describe a job", job=transition.job_id, reason=transition.reason)
        log.debug("transition", job=transition.job_id, before=str(transition.before), after=str(transition.after))


def tell_of_losses(done: Pass) -> None:
    """What another worker has by now, or what nobody has heard the end of; neither costs a job or an event."""
    if done.lost:
        log.warning("jobs of a lease were not ours any more when they were settled", jobs=done.lost)
    if done.unheard:
        log.info("a settle was repeated, its first answer was lost", jobs=done.unheard)


def tell_of_being_forgotten(silent_s: float, forgotten_after_s: float) -> None:
    """Either Redis has lost what it knew, or we were silent for so long that others took us off the roster."""
    if silent_s > forgotten_after_s:
        words = "silent for long, and off the roster by now; if redis was flushed or replaced, track the jobs again"
        log.warning(words, silent_s=round(silent_s, 1))
    else:
        log.error("redis has forgotten this worker; if it was flushed or replaced, track the jobs again")
