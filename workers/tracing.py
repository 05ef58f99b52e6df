"""Whether the passes of a process are traced, and what that takes: nothing is loaded of it unless it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from fleetpoll.cycle import Cycle
from fleetpoll.errors import SettingsError

if TYPE_CHECKING:
    from fleetpoll.settings import Settings
    from fleetpoll.tracing import Tracing


def loaded(settings: Settings) -> type[Tracing] | None:
    """What traces, if these settings ask for it. Raises SettingsError if it is not installed."""
    if not settings.tracing:
        return None
    try:
        from fleetpoll.tracing import Tracing  # noqa: PLC0415 - an optional extra
    except ImportError:
        hint = "pip install 'fleetpoll[tracing]', or set tracing = false"
        raise SettingsError(f"tracing is on, but OpenTelemetry is not installed: {hint}.") from None
    return Tracing


@contextmanager
def cycles(
    settings: Settings, worker_id: str, held: Callable[[], AbstractContextManager[None]]
) -> Iterator[Callable[..., Cycle]]:
    """What makes the cycles of this process. Its last spans are sent at the end of the block.

    The thread that sends them is made while signals are `held`: they are for the one that works.
    """
    kind = loaded(settings)
    if kind is None:
        yield Cycle
        return
    with held():
        tracing = kind(worker_id)
    try:
        yield tracing.cycle
    finally:
        tracing.close()
