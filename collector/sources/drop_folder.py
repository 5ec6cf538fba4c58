"""A folder into which others drop files: each is read once it is whole, and moved to `done/` once it is safe.

    dropped -> (unchanged for settle_s) -> read row by row -> rows on disk -> done/NAME
                                        -> cannot be read  -> in the ledger -> failed/NAME, NAME.why.txt

The place in the file commits with the rows themselves (`Delivery.memories`), so a kill at any instant neither loses a
row nor brings one twice: after it, the file goes on where the spool ends. A file that grows while it is read is read to
its new end. Files are taken oldest first.
"""

from __future__ import annotations

import logging
import math
import os
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

import msgspec

from collector.clocks.clock import Clock
from collector.config import DropSettings
from collector.disk import sync_folder
from collector.health.counters import Counters
from collector.sources.drop_file import opened, rows_of
from collector.sources.drop_table import ORIGIN, Row, UnreadableFile
from collector.sources.source import Delivery, Message
from collector.spool.dead import DeadLetter
from collector.spool.ledger import Cause, Gap

log = logging.getLogger(__name__)

DONE, FAILED = "done", "failed"
FILE = "file "  # how assets begin in the ledger that are dropped files
_LOOK_S = 1.0  # between two looks into a folder in which nothing was ready
_HEAD_BYTES = 4096
_ALL = 1_000_000  # times that a file may have failed before it could be read
_ROWS_NOTE = "rows of files could not be read: `andon dead list` has them with the reason"
_Version = tuple[int, int]  # of a file: size and time of change


class Place(msgspec.Struct, frozen=True):
    """How far a file was read: by its name and first bytes, so that another of that name begins anew."""

    file: str
    head_bytes: int
    head_crc: int
    size_bytes: int
    rows: int


class _Reading:
    """A file being read."""

    def __init__(self, path: Path, settings: DropSettings, before: Place | None) -> None:
        """Raises OSError, UnreadableFile."""
        self.path = path
        self.stat = path.lstat()
        self._head_bytes = min(_HEAD_BYTES, self.stat.st_size)
        self._head_crc = _crc(path, self._head_bytes)
        self._count = before.rows if before is not None and self._goes_on(before) else 0
        self._rows: Iterator[Row] = islice(rows_of(path, settings), self._count, None)

    def take(self, limit: int) -> list[Row]:
        """Up to `limit` rows more. Raises UnreadableFile."""
        taken = list(islice(self._rows, limit))
        self._count += len(taken)
        return taken

    @property
    def place(self) -> Place:
        return Place(self.path.name, self._head_bytes, self._head_crc, self.stat.st_size, self._count)

    @property
    def has_grown(self) -> bool:
        """Whether somebody has written to the file since."""
        now = _stat(self.path)
        return now is not None and _version(now) != _version(self.stat)

    def _goes_on(self, before: Place) -> bool:
        if before.file != self.path.name or self.stat.st_size < before.size_bytes:
            return False
        return _crc(self.path, before.head_bytes) == before.head_crc


class DropFolder:
    """A source over one [[drop]]. `recall`: what the spool remembers under a name."""

    def __init__(
        self, settings: DropSettings, root: Path, clock: Clock, counters: Counters, recall: Callable[[str], bytes]
    ) -> None:
        self._settings = settings
        self._folder = root / settings.folder
        self._clock = clock
        self._counters = counters
        self._memory = f"drop {settings.folder} {settings.glob}"
        kept = recall(self._memory)
        self._safe = msgspec.msgpack.decode(kept, type=Place) if kept else None  # how far the spool has a file
        if self._safe is not None and not (self._folder / self._safe.file).exists():
            self._safe = None
        self._forgets = bool(kept) and self._safe is None  # the spool has a place of a file that is gone
        self._open: _Reading | None = None
        self._is_owed = False  # the last delivery was not acknowledged yet
        self._looked_s = -math.inf
        self._seen: dict[str, tuple[_Version, float]] = {}  # since when a file stands as it does
        self._stuck: dict[str, _Version] = {}  # dealt with, and could not be moved

    def receive(self, limit: int) -> Delivery:
        """Up to `limit` rows of the oldest file that is whole; never waits."""
        if self._is_owed:  # what was not acknowledged comes again
            self._open, self._is_owed = None, False
        path = self._open.path if self._open else self._next()
        if path is None:
            return self._nothing()
        try:
            self._open = self._open or _Reading(path, self._settings, self._safe)
            return self._delivery(self._open, self._open.take(limit), limit)
        except UnreadableFile as error:
            return self._refusal(path, str(error))
        except OSError as error:
            return self._refusal(path, f"{path.name}: {error.strerror}: give this user read access and drop it again")

    def _delivery(self, reading: _Reading, rows: list[Row], limit: int) -> Delivery:
        self._is_owed = True
        now_ns, topic, place = self._clock.now_ns(), self._settings.topic, reading.place
        origin, is_end = f"{ORIGIN}{self._settings.folder}", len(rows) < limit
        dead = [DeadLetter(origin, row.payload, row.reason, now_ns) for row in rows if row.reason]
        gaps = [Gap(origin, Cause.DEAD_LETTER, now_ns, now_ns, len(dead), _ROWS_NOTE)] if dead else []
        if is_end and os.path.lexists(self._folder / FAILED / reading.path.name):
            gaps.append(Gap(f"{FILE}{reading.path.name}", Cause.DEAD_LETTER, now_ns, now_ns, -_ALL))
        self._counters.add("drop_rows", len(rows))
        self._counters.add("drop_rows_refused", len(dead))
        return Delivery(
            [Message(topic, row.payload, now_ns) for row in rows if not row.reason],
            lambda: self._acknowledge(reading, place, is_end=is_end),
            gaps,
            is_settled=False,
            dead=dead,
            memories={self._memory: msgspec.msgpack.encode(place)},
            is_history=True,
        )

    def _refusal(self, path: Path, why: str) -> Delivery:
        """A file that cannot be read is in the ledger before it is set aside."""
        self._is_owed = True
        now_ns = self._clock.now_ns()
        gap = Gap(f"{FILE}{path.name}", Cause.DEAD_LETTER, now_ns, now_ns, 1, why)
        return Delivery((), lambda: self._set_aside(path, why), [gap])

    def _nothing(self) -> Delivery:
        if not self._forgets:
            return Delivery((), lambda: None)
        self._forgets = False
        return Delivery((), lambda: None, memories={self._memory: b""})

    def _acknowledge(self, reading: _Reading, place: Place, *, is_end: bool) -> None:
        self._safe, self._is_owed = place, False
        if not is_end:
            return
        self._open = None
        if not reading.has_grown:  # else the rest is read when it is whole again
            self._move(reading.path, DONE)
            self._counters.add("drop_files")

    def _set_aside(self, path: Path, why: str) -> None:
        self._open, self._is_owed = None, False
        log.error("drop.failed file=%s reason=%r", path, why)
        self._counters.add("drop_files_failed")
        moved = self._move(path, FAILED)
        if moved is not None:
            _write_why(moved, why)

    def _next(self) -> Path | None:
        """The oldest file that is whole."""
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_S:
            return None
        try:
            whole = self._whole(now_s)
            self._counters.goes_on("drop")
        except OSError as error:
            self._counters.held_up("drop", f"{self._folder}: {error.strerror}: create it, or correct [[drop]] folder")
            whole = []
        if not whole:
            self._looked_s = now_s
        return whole[0] if whole else None

    def _whole(self, now_s: float) -> list[Path]:
        """The files that nobody writes any more, oldest first. Raises OSError."""
        seen, self._seen = self._seen, {}
        whole: list[tuple[int, Path]] = []
        for path in self._folder.iterdir():
            found = _stat(path) if fnmatchcase(path.name, self._settings.glob) else None
            if found is None or path.name.startswith(".") or not (_is_plain(found) or stat.S_ISLNK(found.st_mode)):
                continue
            version = _version(found)
            before, since_s = seen.get(path.name, (version, now_s))
            since_s = since_s if before == version else now_s
            self._seen[path.name] = (version, since_s)
            unchanged_s = max(time.time() - found.st_mtime, now_s - since_s)
            if unchanged_s >= self._settings.settle_s and self._stuck.get(path.name) != version:
                whole.append((found.st_mtime_ns, path))
        return [path for _, path in sorted(whole)]

    def _move(self, path: Path, to: str) -> Path | None:
        """Moves a file that was dealt with; where that cannot be done it stays, is told of and is not read again."""
        target, number = self._folder / to / path.name, 0
        try:
            target.parent.mkdir(exist_ok=True)
            while os.path.lexists(target):
                number += 1
                target = target.with_name(f"{path.name}.{number}")
            path.replace(target)
            sync_folder(self._folder)
        except OSError as error:
            left = _stat(path)
            if left is not None:
                self._stuck[path.name] = _version(left)
            log.error("drop.not_moved file=%s to=%s reason=%r; give this user write access", path, to, error.strerror)
            self._counters.add("drop_files_not_moved")
            return None
        self._safe, self._forgets = None, True
        return target


def _write_why(failed: Path, why: str) -> None:
    """Puts the reason beside a file that was set aside; through no link that somebody laid there."""
    path = failed.with_name(f"{failed.name}.why.txt")
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{why}\n")
    except OSError as error:
        log.error("drop.no_reason_written file=%s reason=%r; the ledger has it", path, error.strerror)


def _stat(path: Path) -> os.stat_result | None:
    """Of a link, the link's own."""
    try:
        return path.lstat()
    except OSError:
        return None  # gone between two looks


def _is_plain(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode)


def _version(found: os.stat_result) -> _Version:
    return (found.st_size, found.st_mtime_ns)


def _crc(path: Path, size_bytes: int) -> int:
    with os.fdopen(opened(path), "rb") as file:
        return zlib.crc32(file.read(size_bytes))
