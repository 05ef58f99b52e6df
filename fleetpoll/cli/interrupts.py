"""A Ctrl-C that is not lost. Python raises KeyboardInterrupt wherever it is, and forgets it if that is a finalizer."""

from __future__ import annotations

import signal
import sys
import threading

AGAIN_S = 0.05
"""Until the finalizer is through, for certain enough: if it is not, this happens once more."""


def keep_interrupts() -> None:
    """From now on a KeyboardInterrupt that Python ignores is raised anew in the main thread, a moment later."""
    sys.unraisablehook = raise_again


def raise_again(ignored: sys.UnraisableHookArgs) -> None:
    """What Python does with an error that nobody can catch, other than a Ctrl-C."""
    if ignored.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(ignored)
        return
    main = threading.main_thread().ident
    assert main is not None  # noqa: S101 - it has begun, or nobody would be here
    again = threading.Timer(AGAIN_S, signal.pthread_kill, (main, signal.SIGINT))  # this wakes it from a read, too
    again.daemon = True
    again.start()
