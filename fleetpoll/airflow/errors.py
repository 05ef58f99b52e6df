"""The errors of jobs as Airflow's own: who catches AirflowException catches them, and so does who catches BatchError."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowException

from fleetpoll import errors


class BatchError(errors.BatchError, AirflowException):
    """A job of AWS Batch's did not come to what was asked of it, or nobody could tell whether it did."""


class JobFailed(errors.JobFailed, BatchError):
    """The job is FAILED."""


class JobNotComplete(errors.JobNotComplete, BatchError):
    """The job is not over yet."""


class JobOver(errors.JobOver, BatchError):
    """The job is over, and never came to the status that was waited for."""


class JobLost(errors.JobLost, BatchError):
    """AWS Batch does not know the job, or refuses to describe it; the fleet has given it up."""


class JobStatusUnknown(errors.JobStatusUnknown, BatchError):
    """The job has a status that nobody knows."""


class DescriptionFailed(errors.DescriptionFailed, BatchError):
    """No description of the job could be had, or none that can be used."""


class ChecksExceeded(errors.ChecksExceeded, BatchError):
    """All checks are made, and the job has not come to what was waited for."""


class WaitFailed(errors.WaitFailed, BatchError):
    """A waiter gave up, or found the job failed."""


def as_airflow_error(kind: type[errors.BatchError], message: str) -> Exception:
    """The error of this kind that is Airflow's as well."""
    ours = (JobFailed, JobNotComplete, JobOver, JobLost, JobStatusUnknown, DescriptionFailed, ChecksExceeded, WaitFailed)
    return next((both for both in ours if kind in both.__bases__), BatchError)(message)
