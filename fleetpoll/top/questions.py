"""Screens that lie upon the other: a question to be answered with yes or no, and the help."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

HELP = """\
q quit               p hold the picture, and let it go on
1-4, Tab tabs        / filter by id, name or status, Esc clears it
f next fleet         b pause the budget, or end its pause   (asks first)
? this help          d drain the fleet, or take that back   (asks first)

granted    calls a second that the fleet's bucket grants now, of `rate`
used       DescribeJobs calls that were made;  throttled: AWS said slow down
lag        from a job's end to its detection
age        how old what was known of a job was when a look renewed it
fill       ids a call: calls are what is scarce, and each carries up to 100
due        jobs that wait for a worker or for a token

fleetpoll doctor finds out what is wrong.           any key closes this help
"""


class Over(ModalScreen[bool]):
    """What both have in common: a box in the midst."""

    DEFAULT_CSS = """
    Over { align: center middle; }
    Over > Vertical { width: auto; max-width: 100%; height: auto; border: solid ansi_blue; padding: 0 1; }
    Over Static { width: auto; max-width: 76; }
    """

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def compose(self) -> ComposeResult:
        """The words, in a box."""
        with Vertical():
            yield Static(self._words, markup=False)


class Confirm(Over):
    """A question; anything but y is a no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,q,enter", "answer(False)", "no"),
    ]

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}\n\ny yes    n no")

    def action_answer(self, yes: bool) -> None:  # noqa: FBT001 - the answer
        """It is answered."""
        self.dismiss(yes)


class Help(Over):
    """What is what; any key ends it."""

    def __init__(self) -> None:
        super().__init__(HELP)

    def on_key(self) -> None:
        """Seen."""
        self.dismiss(True)
