"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, and what to do if it is not well."""

    check: str
    grade: Grade
    found: str
    advice: str = ""


def graded(check: str, bad: bool, found: str, advice: str, grade: Grade = Grade.WARN) -> Finding:  # noqa: FBT001 - the check's own answer
    """Well without advice, or as bad as `grade` with it."""
    return Finding(check, grade, found, advice) if bad else Finding(check, Grade.OK, found)
