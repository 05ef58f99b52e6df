"""The terminal's window on a fleet: draws what a thread of its own reads, and asks before it steers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Footer, Input, Static

from fleetpoll.client.fleet import Fleet
from fleetpoll.client.health import away
from fleetpoll.settings import Settings
from fleetpoll.state.roster import OrderKind
from fleetpoll.text import masked, safe
from fleetpoll.top import panels
from fleetpoll.top.bars import clipped
from fleetpoll.top.looking import Away, Did, Looker, Seen
from fleetpoll.top.questions import Confirm, Help

TABS = ("overview", "jobs", "workers", "feed")


class Top(App[None]):
    """`fleetpoll top`: one of the `fleets` at a time, looked at every `every_s` seconds."""

    TITLE = "fleetpoll top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #title { height: 1; }
    #health { height: auto; max-height: 4; }
    #body { height: 1fr; scrollbar-size-vertical: 1; }
    #filter { display: none; border: none; height: 1; padding: 0; }
    #filter.asked { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("p", "hold", "pause"),
        Binding("slash", "ask_filter", "filter", key_display="/"),
        Binding("f", "next_fleet", "next fleet"),
        Binding("b", "budget", "budget"),
        Binding("d", "drain", "drain"),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("escape", "clear_filter", show=False),
        Binding("tab", "turn", "tabs", show=False, priority=True),
        *(Binding(str(number), f"show('{tab}')", tab, show=False) for number, tab in enumerate(TABS, 1)),
    ]

    def __init__(self, fleets: Sequence[Settings], every_s: float = 1.0) -> None:
        super().__init__(ansi_color=True)  # the terminal's own colours: they are readable there, be it light or dark
        self.theme = "ansi-dark"
        self._fleets, self._every_s, self._place = tuple(fleets), every_s, 0
        self.tab, self.held, self.wanted = TABS[0], False, ""
        self.seen: Seen | None = None
        self.away: Away | None = None
        self._looker: Looker | None = None
        self._head, self._health, self._panel = Static(id="title"), Static(id="health"), Static(id="panel")
        self._body = VerticalScroll(self._panel, id="body")
        self._asked = Input(placeholder="part of an id, a name or a status; Enter", id="filter", compact=True)

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield from (self._head, self._health, self._body, self._asked, Footer(compact=True))

    def on_mount(self) -> None:
        """Begin to look."""
        self._body.focus()
        self._begin()

    def on_unmount(self) -> None:
        """Look no more; a read under way is left to itself."""
        if self._looker is not None:
            self._looker.stop()

    def _begin(self) -> None:
        self.on_unmount()
        self.seen = self.away = None
        self._looker = Looker(self._fleets[self._place], self._every_s, self.post_message, lambda: self.tab == "jobs")
        self._looker.start()
        self._draw()

    def on_seen(self, seen: Seen) -> None:
        """A look succeeded."""
        if seen.looker is self._looker:
            self.away = None
            if not self.held:
                self.seen = seen
            self._draw()

    def on_away(self, away_now: Away) -> None:
        """A look failed; the next comes by itself, and what was seen stays."""
        if away_now.looker is self._looker:
            self.away = away_now
            self._draw()

    def on_did(self, did: Did) -> None:
        """An order was given, or refused."""
        self.notify(safe(masked(did.words)), severity="information" if did.good else "error", markup=False)

    def on_resize(self) -> None:
        """Everything is drawn for its width."""
        self._draw()

    def _draw(self) -> None:
        if self._looker is None:
            return
        width, height = self.size.width, self._body.size.height
        self._head.update(self._title(width))
        self._health.update(Text("\n").join(self._verdict()))
        self._panel.update(Text("\n").join(self._lines(width - 1, height)))

    def _title(self, width: int) -> Text:
        """Which fleet, which tab, and when it was seen."""
        of = f" ({self._place + 1} of {len(self._fleets)})" if len(self._fleets) > 1 else ""
        line = Text.assemble((f" {self._fleets[self._place].fleet}{of} ", "bold reverse"))
        for number, tab in enumerate(TABS, 1):
            line.append(f" {number} {tab} ", "bold underline" if tab == self.tab else "")
        said = " PAUSED " if self.held else panels.clock(self.seen.view.status.now_ms) + "Z" if self.seen else ""
        line.pad_right(max(1, width - line.cell_len - len(said)))
        return clipped(line.append(said, "bold reverse" if self.held else ""), width)

    def _verdict(self) -> list[Text]:
        if self.away is not None:
            return panels.verdict(away(masked(self.away.words)))
        return panels.verdict(self.seen.view.status.health) if self.seen else [Text(" Looking …")]

    def _lines(self, width: int, height: int) -> list[Text]:
        if self.seen is None:
            return []
        view = self.seen.view
        if self.tab == "jobs":
            return panels.jobs(self.seen.jobs, view.status.tracked, width, self.wanted)
        if self.tab == "workers":
            return panels.workers(view.status, width, len(view.status.workers))
        if self.tab == "feed":
            return panels.feed(view.feed, width, len(view.feed), self.wanted)
        return panels.overview(view, width, height, self.wanted)

    def action_show(self, tab: str) -> None:
        """Turn to a tab."""
        self.tab = tab
        if self._looker is not None:
            self._looker.hurry()
        self._draw()

    def action_turn(self) -> None:
        """Turn to the next tab."""
        self.action_show(TABS[(TABS.index(self.tab) + 1) % len(TABS)])

    def action_hold(self) -> None:
        """Hold the picture still, or let it go on."""
        self.held = not self.held
        self._draw()

    def action_next_fleet(self) -> None:
        """The next fleet of the file."""
        if len(self._fleets) == 1:
            self.notify("The settings name one fleet; a file with sections [fleets.NAME] has several.")
            return
        self._place = (self._place + 1) % len(self._fleets)
        self._begin()

    def action_ask_filter(self) -> None:
        """Ask for what transitions and jobs must have."""
        self._asked.add_class("asked")
        self._asked.value = self.wanted
        self._asked.focus()

    def action_clear_filter(self) -> None:
        """Show everything again."""
        self._filtered("")

    def on_input_submitted(self, said: Input.Submitted) -> None:
        """The filter is typed."""
        self._filtered(said.value.strip())

    def _filtered(self, wanted: str) -> None:
        self.wanted = wanted
        self._asked.remove_class("asked")
        self._body.focus()
        self._draw()

    def action_help(self) -> None:
        """What is what."""
        self.push_screen(Help())

    def action_budget(self) -> None:
        """Pause the budget, or end the pause, if that is confirmed."""
        if self.seen is not None:
            paused = self.seen.view.status.bucket.paused
            what = "End the pause of the budget?" if paused else "Pause the budget? No calls are made until the pause ends."
            words = "The budget goes on." if paused else "The budget is paused."
            self._confirmed(what, lambda fleet: fleet.bucket().pause(not paused), words)

    def action_drain(self) -> None:
        """Drain the fleet, or take the order back, if that is confirmed."""
        if self.seen is not None:
            standing = self.seen.view.status.order
            order = OrderKind.DRAIN if standing is None else None
            what = "Drain the fleet? Workers finish what they hold and take nothing new."
            back = f"Take back the order to {standing.kind.value}?" if standing else ""
            words = "The fleet drains." if standing is None else "The order is taken back."
            self._confirmed(back or what, lambda fleet: fleet.order(order), words)

    def _confirmed(self, what: str, order: Callable[[Fleet], None], words: str) -> None:
        looker = self._looker

        def decided(yes: bool | None) -> None:  # noqa: FBT001 - what the question is answered with
            if yes and looker is not None:
                looker.give(order, words)

        self.push_screen(Confirm(f"{self._fleets[self._place].fleet}: {what}"), decided)
