"""Keeps one fresh page for everybody who looks: one thread reads the spool, every browser gets what changed.

The reading thread owns its View (and through it its Spool); the event loop only passes on finished, immutable parts.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import msgspec

from collector.spool.frames import DamagedFrame
from collector.spool.spool import SpoolError
from dashboards.live.page import Parts, parts
from dashboards.live.state import BoardState
from dashboards.live.view import View

_log = logging.getLogger(__name__)
EVERY_S = 1.0
BEAT_S = 10.0
STILL_AFTER_S = 30.0  # a site clock that has not moved for so long is told to people
_MOST_LOOKS = 40  # pieces of the log taken in before the page is shown again


class Feed:
    """`open_view` is called once, in the reading thread. `monotonic_s` only times how long the site's clock stands."""

    def __init__(self, open_view: Callable[[], View], *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._open_view = open_view
        self._monotonic_s = monotonic_s
        self._view: View | None = None
        self._moved_at_s = monotonic_s()
        self._clock_ns = -1
        self._failing = ""
        self._changed = asyncio.Event()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.state = BoardState(title="Andon", timezone="UTC")
        self.parts: Parts = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reads while the board is served; the first page is ready on entry."""
        self._loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="board-view") as reader:
            await self._look(reader)
            task = asyncio.create_task(self._keep_looking(reader))
            task.add_done_callback(self._ended)
            try:
                yield
            finally:
                self.close()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await asyncio.get_running_loop().run_in_executor(reader, self._leave)

    def close(self) -> None:
        """Ends every stream; call in the event loop."""
        self._closed = True
        self._wake()

    def close_soon(self) -> None:
        """`close`, asked for by another thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.close)

    async def changes(self) -> AsyncIterator[bytes]:
        """Server-sent events: at first all parts, then those that changed; a beat when nothing does."""
        sent: Parts = {}
        yield b"retry: 2000\n\n"
        while not self._closed:
            news, now = self._changed, self.parts
            changed = {name: text for name, text in now.items() if sent.get(name) != text}
            gone = [name for name in sent if name not in now]
            if changed or gone:
                yield b"event: parts\ndata: " + msgspec.json.encode({"parts": changed, "gone": gone}) + b"\n\n"
                sent = now
            try:
                await asyncio.wait_for(news.wait(), BEAT_S)
            except TimeoutError:
                yield b"event: beat\ndata: {}\n\n"

    async def _keep_looking(self, reader: ThreadPoolExecutor) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self._look(reader)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A fault of our own ends the streams, so that browsers say "not live" instead of showing an old page."""
        if not task.cancelled() and task.exception() is not None:
            _log.error("board.broken", exc_info=task.exception())
            self.state = msgspec.structs.replace(self.state, notices=("The board has failed; its log says why.",))
            self.close()

    async def _look(self, reader: ThreadPoolExecutor) -> None:
        before = self.parts
        self.state, self.parts = await asyncio.get_running_loop().run_in_executor(reader, self._read)
        if self.parts != before:
            self._wake()

    def _wake(self) -> None:
        """Lets everybody who waits go on, and makes the next ones wait for the next change."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _read(self) -> tuple[BoardState, Parts]:
        """In the reading thread: the newest state; a spool that cannot be read is told, and tried again."""
        try:
            state = self._with_clock_checked(self._refreshed())
            self._failing = ""
        except (SpoolError, DamagedFrame) as error:
            if str(error) != self._failing:
                _log.warning("board.unreadable error=%s", error)
            self._failing = str(error)
            notice = f"The board cannot read on, what it shows is old: {error}"
            state = msgspec.structs.replace(self.state, notices=(notice,))
        return state, parts(state)

    def _refreshed(self) -> BoardState:
        if self._view is None:
            self._view = self._open_view()
        for _ in range(_MOST_LOOKS):
            if not self._view.refresh():
                break
        return self._view.state()

    def _with_clock_checked(self, state: BoardState) -> BoardState:
        if state.pulse.clock_ns != self._clock_ns:
            self._clock_ns, self._moved_at_s = state.pulse.clock_ns, self._monotonic_s()
        still_s = self._monotonic_s() - self._moved_at_s
        if still_s < STILL_AFTER_S or not state.pulse.clock_ns:
            return state
        notice = "The site's clock stands still: nothing arrives. Is the collector running, is its broker up?"
        return msgspec.structs.replace(state, notices=(notice, *state.notices))

    def _leave(self) -> None:
        if self._view is not None:
            self._view.close()
