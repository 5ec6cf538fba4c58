"""The balance of a plant: what became of every numbered message, looked up in the real store and in the spool.

A number counts as stored when InfluxQL shows it, and as a visible duplicate when it shows it at more than one time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from collector.readings import Batch
from collector.spool.frames import FrameKind
from collector.spool.ledger import Cause
from collector.spool.spool import Spool
from deploy.bench.load import LINE, PROBE
from deploy.bench.rig import Rig
from deploy.bench.servers import Running, mosquitto
from deploy.bench.store import Store
from deploy.books import Books
from tests.plant.servers import need
from tests.plant.teaching_factory import wait

_READ_FRAMES = 200
_FRACTION = 0.25  # of a numbered message's value; the rig's probes have another


class Account(NamedTuple):
    """Numbers of messages, 0 to `published` - 1, and whether `andon books` agrees."""

    published: int
    stored: int
    lost: int
    visible_twice: int
    not_in_log: int
    logged_again: int  # appended more than once: redelivered, and collapsed to one point in the store
    books: Books

    @classmethod
    def of(cls, published: int, rig: Rig) -> Account:
        shown = numbers_in_store(rig.store)
        logged = numbers_in_log(rig.spool_path)
        numbers = range(published)
        return cls(
            published=published,
            stored=sum(number in shown for number in numbers),
            lost=sum(number not in shown for number in numbers),
            visible_twice=sum(times > 1 for times in shown.values()),
            not_in_log=sum(number not in logged for number in numbers),
            logged_again=sum(times > 1 for times in logged.values()),
            books=books_said(rig),
        )

    @property
    def is_exact(self) -> bool:
        return (
            self.stored == self.published
            and not (self.lost or self.visible_twice or self.not_in_log)
            and self.books.is_exact
            and self.books.readings == self.books.messages_received >= self.published
            and not self.books.missing.keys() - {Cause.DISCONNECTED}
        )


@contextmanager
def plant(folder: Path, broker: Running, port: int | None = None) -> Iterator[Rig]:
    """A site between a broker and a store of its own; `port`: of what stands before the broker."""
    need("influxd")
    with Store(folder / "store") as store:
        yield Rig(folder, port or broker.port, store)


@contextmanager
def lasting_broker(folder: Path, port: int | None = None) -> Iterator[Running]:
    """A Mosquitto that writes its sessions to disk every second; started again in the same folder it has them again.

    What it acknowledged since then dies with it, unless it was handed on. `autosave_on_changes true` would narrow that
    to one turn of its loop, for a price nobody pays: all sessions are written at every message, 130 messages/s here.
    """
    need("mosquitto")
    with mosquitto(folder, persistence=True, port=port) as broker:
        yield broker


def saved(folder: Path) -> None:
    """Waits until the broker of this folder has written down all that it holds now."""
    began_ns = time.time_ns()
    file = folder / "mosquitto.db"
    wait(lambda: file.exists() and file.stat().st_mtime_ns > began_ns, "the broker writes nothing down", 10.0)


def settled(rig: Rig, published: int, within_s: float = 60.0) -> Account:
    """Waits until the store shows as many points as were published, then looks each of them up."""
    wait(lambda: shown(rig.store) >= published, "the store does not show all that was published", within_s)
    return Account.of(published, rig)


def books_said(rig: Rig) -> Books:
    """The books as `andon books` says them beside a collector that is running."""
    command = [sys.executable, "-m", "deploy.cli", "books", str(rig.site_path), "--json"]
    ended = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert not ended.stderr, ended.stderr.decode()
    told = json.loads(ended.stdout)
    del told["is_exact"]
    return msgspec.convert(told, Books)


def shown(store: Store) -> int:
    """How many points of numbered messages the store shows."""
    return store.distinct() or 0


def numbers_in_store(store: Store) -> Counter[int]:
    """How often the store shows each number."""
    series = store.ask(f"SELECT value FROM reading WHERE line = '{LINE}' AND cell != '{PROBE}'")
    return Counter(int(value) for one in series for _, value in one["values"])


def numbers_in_log(spool_path: Path) -> Counter[int]:
    """How often each number was appended."""
    found: Counter[int] = Counter()
    with Spool.open(spool_path) as spool:
        after = 0
        while frames := spool.log.read(after, _READ_FRAMES, kinds=(FrameKind.BATCH,)):
            after = frames[-1].offset
            for frame in frames:
                if isinstance(frame.body, Batch) and frame.shard.endswith(f"/{LINE}"):
                    found.update(int(value) for value in frame.body.value.tolist() if value % 1 == _FRACTION)
    return found
