"""Server-sent events: what one reader of a fleet finds, for however many browsers.

Each browser has a slot of a bounded size: what it has not taken by the time there is news is replaced (status, rows of
history) or counted (transitions), so that one that is slow costs no more than one that is not.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from starlette.types import Receive, Scope, Send

from fleetpoll.jobs import Transition
from fleetpoll.state.events import place

STREAMS_MAX = 200
TRANSITIONS_MAX = 200
POINTS_KEPT = 6
KEEP_ALIVE_S = 15.0
LEAVE_S = 0.3
"""How long a browser has for its last message."""
PAUSE_S = 0.2
"""At least so long from one message to the next: what happens meanwhile goes together."""
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]

encode = msgspec.json.Encoder().encode

Step = tuple[tuple[int, int], bytes]
"""A transition: its place in the stream, and how it goes over the wire."""


class Slot:
    """What a browser has not been told yet."""

    def __init__(self) -> None:
        self.news, self.over = asyncio.Event(), asyncio.Event()
        self._latest: dict[str, bytes] = {}
        self._points: deque[bytes] = deque(maxlen=POINTS_KEPT)
        self._steps: deque[Step] = deque(maxlen=TRANSITIONS_MAX)
        self._last, self._left_out = (0, 0), 0

    def tell(self, kind: str, words: bytes) -> None:
        """Take in a message; one of the same kind that was not taken yet is replaced, but rows of history."""
        if kind == "point":
            self._points.append(words)
        else:
            self._latest = {kind: words}  # how things stand: a status, or trouble
        self.news.set()

    def tell_steps(self, steps: Sequence[Step]) -> None:
        """Take in transitions that it does not have yet: the latest are kept, the others counted."""
        fresh = [step for step in steps if step[0] > self._last]
        if fresh:
            self._left_out += max(0, len(self._steps) + len(fresh) - TRANSITIONS_MAX)
            self._steps.extend(fresh)
            self._last = fresh[-1][0]
            self.news.set()

    def resume(self, missed: Sequence[Step]) -> None:
        """Take in what came before, while some of what came after it was told already."""
        steps = sorted({*missed, *self._steps})
        self._steps.clear()
        self._last = (0, 0)
        self.tell_steps(steps)

    def end(self) -> None:
        """Let the browser go when it has what is there."""
        self.over.set()
        self.news.set()

    def take(self) -> bytes:
        """All that there is, as it goes over the wire."""
        self.news.clear()
        frames = [frame(kind, words) for kind, words in self._latest.items()]
        frames += [frame("point", words) for words in self._points]
        if self._steps:
            words = b'{"transitions":[%s],"more":%d}' % (b",".join(words for _, words in self._steps), self._left_out)
            frames.append(frame("transitions", words, "{}-{}".format(*self._last)))
        self._latest.clear()
        self._points.clear()
        self._steps.clear()
        self._left_out = 0
        return b"".join(frames)


def frame(kind: str, words: bytes, cursor: str = "") -> bytes:
    """A message as it goes over the wire; JSON has no line breaks."""
    numbered = f"id: {cursor}\n" if cursor else ""
    return f"{numbered}event: {kind}\ndata: ".encode() + words + b"\n\n"


def step_of(transition: Transition) -> Step:
    """A transition for the slots."""
    return place(transition.cursor), encode(transition.public())


class Streams:
    """The browsers that follow one fleet. All of it in the event loop, but `tell` and `tell_steps`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._slots = loop, set[Slot]()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._slots)

    def join(self) -> Slot:
        """A slot for one more."""
        slot = Slot()
        self._slots.add(slot)
        return slot

    def leave(self, slot: Slot) -> None:
        """Forget one."""
        self._slots.discard(slot)

    def end(self) -> None:
        """Let all go."""
        for slot in self._slots:
            slot.end()

    def tell(self, kind: str, words: bytes) -> None:
        """Tell everybody: a status, a row of history, or trouble. From any thread."""
        self._call(self._tell, kind, words)

    def tell_steps(self, steps: Sequence[Transition]) -> None:
        """Tell everybody of transitions. From any thread."""
        if self._slots and steps:
            self._call(self._tell_steps, [step_of(step) for step in steps])

    def _call(self, tell: object, *words: object) -> None:
        with suppress(RuntimeError):  # the loop has ended: nobody hears
            self._loop.call_soon_threadsafe(tell, *words)  # type: ignore[arg-type]

    def _tell(self, kind: str, words: bytes) -> None:
        for slot in self._slots:
            slot.tell(kind, words)

    def _tell_steps(self, steps: Sequence[Step]) -> None:
        for slot in self._slots:
            slot.tell_steps(steps)


class EventStream:
    """The answer to one browser: what its slot holds, for as long as both stay."""

    def __init__(self, streams: Streams, slot: Slot) -> None:
        self._streams, self._slot = streams, slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it."""
        del scope
        serving = asyncio.ensure_future(self._serve(send))
        ends = (asyncio.ensure_future(_gone(receive)), asyncio.ensure_future(self._slot.over.wait()))
        try:
            await asyncio.wait((serving, *ends), return_when=asyncio.FIRST_COMPLETED)
            if self._slot.over.is_set():
                await asyncio.wait((serving,), timeout=LEAVE_S)
        finally:
            self._streams.leave(self._slot)
            for task in (serving, *ends):
                task.cancel()
            await asyncio.gather(serving, *ends, return_exceptions=True)

    async def _serve(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await _send(send, b"retry: 2000\n\n")
        while not self._slot.over.is_set():
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    await self._slot.news.wait()
                words = self._slot.take()
            except TimeoutError:
                words = b": still here\n\n"
            await _send(send, words)
            await asyncio.sleep(PAUSE_S)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send(send: Send, words: bytes) -> None:
    """Send, as soon as the browser has taken what was sent before."""
    await send({"type": "http.response.body", "body": words, "more_body": True})


async def _gone(receive: Receive) -> None:
    """Wait until the browser has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
