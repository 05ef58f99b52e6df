"""What all scenarios have in common, those of whole fleets and that of the bucket alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self


class Measurable(Protocol):
    """The conditions of one measurement."""

    @property
    def name(self) -> str:
        """How tables and options call it."""

    @property
    def contenders(self) -> tuple[str, ...]:
        """Who is measured."""

    def quick(self) -> Self:
        """The same in seconds, to see that it works."""

    def described(self) -> dict[str, Any]:
        """The method as JSON."""


class Contestant(Protocol):
    """One of those who are compared."""

    @property
    def label(self) -> str:
        """How tables call it."""

    @property
    def about(self) -> str:
        """What it is, in a sentence."""

    def versions(self) -> dict[str, str]:
        """The packages that matter."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A question that is put to some contenders in one or more cases. `columns` are the figures that answer it."""

    name: str
    title: str
    cases: tuple[Measurable, ...]
    contestants: Mapping[str, Contestant]
    columns: tuple[str, ...]
    measure: Callable[[Any, str, int], dict[str, Any]]
