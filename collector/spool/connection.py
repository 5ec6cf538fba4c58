"""The SQLite connection of a spool: every error wears the sentence a person can act on, whoever reads or writes.

Opened by `collector.spool.spool`, used by the parts of a Spool as an ordinary `sqlite3.Connection`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from collector.errors import AndonError

PAGE_BYTES = 4096
WAL_BYTES = 1_000_000  # the write-ahead file is folded in at this size; `retention` reserves as much of the disk
_BUSY_S = 30.0
P = ParamSpec("P")
T = TypeVar("T")


class SpoolError(AndonError):
    """The spool cannot be used as it is; the sentence says which file and what would mend it."""


class SpoolFull(SpoolError):
    """No room for the append: the disk, or the bound set in site.toml, is reached. Nothing was acknowledged."""


class SpoolBusy(SpoolError):
    """Another process held the file for longer than anybody waits; trying again later may work."""


class SpoolUnwritable(SpoolError):
    """The disk takes no writes (it became read-only, or fails); it may again, and nothing was acknowledged."""


class SpoolDamaged(SpoolError):
    """Bytes of the file are not what was written. The next start, with nobody else on the file, mends it."""


PASSING = (SpoolFull, SpoolBusy, SpoolUnwritable)  # what may pass by itself: worth trying again


class SpoolConnection(sqlite3.Connection):
    """A connection whose cursors raise SpoolError (SpoolFull where there is no room) instead of sqlite3's errors."""

    path: Path

    def damaged(self, what: str) -> SpoolDamaged:
        """The error that says what is damaged; the file is suspect from now on, for everybody."""
        return _damaged(self.path, what)

    def heed(self) -> None:
        """Raises SpoolDamaged when anybody found the file damaged since it was opened."""
        if os.path.exists(self._suspicion):  # noqa: PTH110 asked with every read: a Path takes five times as long
            raise _damaged(self.path, "found damaged by another connection")

    @cached_property
    def _suspicion(self) -> str:
        return str(suspicion_path(self.path))

    def execute(self, *args: Any) -> _Cursor:
        return self.cursor(_Cursor).execute(*args)  # `_Cursor(self)` would be remembered for ever: 90 bytes a statement

    def executemany(self, *args: Any) -> _Cursor:
        return self.cursor(_Cursor).executemany(*args)


class _Cursor(sqlite3.Cursor):
    """Rows are fetched while SQLite still reads, so fetching can meet a damaged page as well."""

    connection: SpoolConnection

    def execute(self, *args: Any) -> _Cursor:
        self._told(super().execute, *args)
        return self

    def executemany(self, *args: Any) -> _Cursor:
        self._told(super().executemany, *args)
        return self

    def fetchone(self) -> Any:
        return self._told(super().fetchone)

    def fetchall(self) -> list[Any]:
        return self._told(super().fetchall)

    def __next__(self) -> Any:
        return self._told(super().__next__)

    def _told(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return act(*args, **kwargs)
        except sqlite3.Error as error:
            raise spool_error(self.connection.path, error) from error
        except UnicodeDecodeError as error:  # an error of SQLite that quotes damaged text
            raise self.connection.damaged("its schema") from error


def connect(path: Path, max_mb: float | None) -> SpoolConnection:
    """A connection in WAL mode that waits for other writers and syncs every commit. Raises SpoolError."""
    try:
        connection = sqlite3.connect(
            path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False, factory=SpoolConnection
        )
    except sqlite3.Error as error:
        raise spool_error(path, error) from error
    connection.path = path
    connection.text_factory = _text
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute(
            "PRAGMA secure_delete = FAST"
        )  # overwriting whole free pages would double what eviction writes
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_BYTES // PAGE_BYTES}")
        if max_mb is not None:
            connection.execute(f"PRAGMA max_page_count = {pages(max_mb)}")
    except SpoolError:
        connection.close()
        raise
    return connection


def _text(raw: bytes) -> str:
    """Text as it is; damaged text as something else, for its row's seal to refuse."""
    return raw.decode("utf-8", "replace")


def _switch_to_wal(connection: SpoolConnection) -> None:
    """SQLite does not wait for this lock by itself: several processes may open a new file at once."""
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except SpoolBusy:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < WAL_BYTES
    except OSError:
        return False


def suspicion_path(path: Path) -> Path:
    """A file beside the spool that is there while damage was met and nobody has mended it."""
    return path.with_name(path.name + ".suspect")


def _damaged(path: Path, what: str) -> SpoolDamaged:
    with contextlib.suppress(OSError):  # a disk that takes no writes: whoever opens the file meets the damage again
        if not suspicion_path(path).exists():
            suspicion_path(path).write_text(what, encoding="utf-8")
    return SpoolDamaged(
        f"spool {path} is damaged ({what}): end all that use it and start them again, the first to open it mends it "
        "and books what is lost; `andon doctor` explains"
    )


def pages(max_mb: float) -> int:
    """A size bound as SQLite counts it."""
    return max(16, int(max_mb * 1e6 / PAGE_BYTES))


def spool_error(path: Path, error: sqlite3.Error) -> SpoolError:
    """What an error of SQLite means for the file at `path`, and what would mend it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code; the rest tells where inside SQLite
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _damaged(path, str(error))
    if code == sqlite3.SQLITE_CANTOPEN:
        return SpoolError(f"spool {path} cannot be written ({error}): give this user write access to {path.parent}")
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path.parent)):
        return SpoolFull(
            f"spool {path} is full ({os.strerror(errno.ENOSPC)} or [spool] max_mb reached): free space or raise max_mb"
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
        return SpoolUnwritable(
            f"spool {path} cannot be written ({error}): see whether its disk became read-only or fails, and whether "
            f"this user may write to {path.parent}"
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return SpoolBusy(f"spool {path} is in use ({error}): see which process holds it, and end that one")
    return SpoolError(f"spool {path}: {error}")
