"""Jobs, each in its own thread: the first that fails stops the others, and its error is the one the caller sees."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread


class Jobs:
    """Start one with `start`, end all with `end`; each gets the shared `stop` and returns when it is set."""

    def __init__(self) -> None:
        self.stop = Event()
        self._threads: list[Thread] = []
        self._failure: BaseException | None = None

    def start(self, name: str, job: Callable[[Event], None]) -> None:
        thread = Thread(target=self._run, args=(job,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def check(self) -> None:
        """Raises the first failure, if there was one."""
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """Tells all to stop and waits for them; raises the first failure."""
        self.stop.set()
        for thread in self._threads:
            thread.join()
        self.check()

    def _run(self, job: Callable[[Event], None]) -> None:
        try:
            job(self.stop)
        except BaseException as error:  # noqa: BLE001 handed to the caller by `check`
            if self._failure is None:
                self._failure = error
            self.stop.set()
