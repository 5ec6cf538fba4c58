"""A spool file that is not as it was written is found out when it is opened, and mended without anybody's help.

`make_sound` runs before anybody has the file open. It looks at what every start can afford (small files whole, of large
ones the tail: the rest is proved by its seals when it is read) and, where something is wrong, lets
`collector.spool.repair.rebuild` make a new file, which then takes the damaged one's place at once. The damaged one
stays beside it as `spool.sqlite.kept`, until the next or until its room is needed.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path

from collector.disk import sync_file, sync_folder
from collector.spool.claim import own_as
from collector.spool.connection import (
    PAGE_BYTES,
    SpoolConnection,
    SpoolDamaged,
    SpoolError,
    SpoolFull,
    connect,
    suspicion_path,
)
from collector.spool.damage import HEAD, head_of
from collector.spool.layout import another_version, layout_of, make_tables
from collector.spool.ledger import Gap
from collector.spool.mark import Mark, Standing, Witness
from collector.spool.repair import migrate, pages
from collector.spool.repair.rebuild import rebuild
from collector.spool.repair.wal import Wal
from collector.spool.tables import SCHEMA_VERSION, is_sealed

log = logging.getLogger(__name__)

WHOLE_BYTES = 8_000_000  # a file up to this size is looked through at every start
_TAIL_FRAMES = 256
_MAGIC = b"SQLite format 3\0"
_VERSION_AT = slice(60, 64)
_SMALL_TABLES = ("series", "line", "cursor", "clock", "memory", "shard_state", "latest", "ledger", "summed", "damaged")


def make_sound(path: Path) -> None:
    """Leaves a file that can be opened. Raises SpoolError where the file is none of ours, or there is no room."""
    _finish_swap(path)
    if not path.exists():
        _forget(path)
        return
    fault = fault_of(path)
    if fault:
        mend(path, fault)
    elif _version(path) == migrate.FROM_VERSION:
        _replace(path, lambda into: migrate.migrate(path, into))
        log.warning("spool.migrated path=%s schema=%d; the old file is %s", path, SCHEMA_VERSION, kept_path(path).name)


def is_suspect(path: Path) -> bool:
    """Whether somebody met damage in the file that nobody has mended yet."""
    return suspicion_path(path).exists()


def mend(path: Path, fault: str) -> list[Gap]:
    """Rebuilds the file; returns what is lost, as booked. Nobody else may have it open."""
    log.warning("spool.damaged path=%s fault=%r; mending", path, fault)
    lost: list[Gap] = []
    _replace(path, lambda into: lost.extend(rebuild(path, into, Witness(path).read())))
    readings = sum(gap.missing for gap in lost)
    log.warning("spool.mended path=%s lost=%d; see the ledger; the damaged file is %s", path, readings, kept_path(path))
    return lost


def fault_of(path: Path, *, whole: bool = False) -> str:
    """What is wrong with a file that nobody has open, empty when it is sound; `whole`: looked through to the end.

    Raises SpoolError for a file that is no spool, or a newer version's.
    """
    suspicion = suspicion_path(path)
    if suspicion.exists():
        return suspicion.read_text(encoding="utf-8", errors="replace") or "damage was met"
    witness = Witness(path).read()
    return _raw_fault(path, witness) or _inner_fault(path, whole=whole)


def kept_path(path: Path) -> Path:
    """Where the file is that was replaced last."""
    return path.with_name(path.name + ".kept")


def discard_kept(path: Path) -> None:
    """Gives up the file that was replaced last."""
    _remove(kept_path(path))


def _raw_fault(path: Path, witness: Mark | None) -> str:
    """What can be told without SQLite, which would throw away the frames it cannot use."""
    size = path.stat().st_size
    if not size and witness is None:
        return ""  # a new file
    with path.open("rb") as file:
        header = file.read(100)
    if not header.startswith(_MAGIC) and not _is_ours(path, witness):
        raise SpoolError(
            f"spool {path} is not a sound spool file (it does not begin like one): move it away, or name another in "
            "[spool] path"
        )
    if size < PAGE_BYTES:
        return "it is cut short"
    version = int.from_bytes(header[_VERSION_AT], "big")
    if witness is None and version == migrate.FROM_VERSION:
        return ""
    if witness is None and version > SCHEMA_VERSION:
        raise another_version(str(path), version)
    with closing(Wal(path.with_name(path.name + "-wal"))) as wal:
        if wal.is_broken:
            return "a frame of its write-ahead file"
        mark = _newest_mark(path, wal)
    if not header.startswith(_MAGIC) or version != SCHEMA_VERSION:
        return "its header"
    if mark is None:
        return "its mark"
    if witness and witness.spool_id == mark.spool_id and witness.stamp > mark.stamp:
        return "it ends before what was acknowledged"
    return ""


def _is_ours(path: Path, witness: Mark | None) -> bool:
    """Whether this version wrote the file, whatever its header says by now."""
    if witness is not None:
        return True
    with path.open("rb") as file:
        for number in range(1, 65):
            page = file.read(PAGE_BYTES)
            if len(page) == PAGE_BYTES and _marks_on(page, number):
                return True
    return False


def _newest_mark(path: Path, wal: Wal) -> Mark | None:
    """The mark SQLite will see: of the last commit in the write-ahead file, else of the main file."""
    for frame in reversed(wal.frames):
        marks = _marks_on(wal.read(frame), frame.page) if frame.is_read else []
        if marks:
            return marks[0]
    with suppress(sqlite3.Error, UnicodeDecodeError), closing(_immutable(path)) as connection:
        row = connection.execute("SELECT * FROM mark").fetchone()
        return Mark(*row[:-1]) if row and is_sealed("mark", row) else None
    return None


def _marks_on(page: bytes, number: int) -> list[Mark]:
    found = []
    for cell in pages.cells(page, number):
        with suppress(ValueError, OverflowError):
            row = (cell.rowid, *pages.columns(cell.local)[1:])
            if len(row) == len(Mark._fields) + 1 and is_sealed("mark", row):
                found.append(Mark(*row[:-1]))
    return found


def _inner_fault(path: Path, *, whole: bool) -> str:
    """What SQLite itself and the seals tell."""
    if not path.stat().st_size or _version(path) == migrate.FROM_VERSION:
        return ""
    try:
        with closing(connect(path, None)) as connection:
            return fault_inside(connection, whole=whole or path.stat().st_size <= WHOLE_BYTES)
    except SpoolDamaged as error:
        return str(error.__cause__ or error)


def fault_inside(connection: SpoolConnection, *, whole: bool) -> str:
    """What SQLite and the seals tell of an open file, empty when it is sound. Raises SpoolDamaged too."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        return ""  # its layout was cut off; it is begun again
    if layout_of(connection) != _expected_layout():
        return "its tables"
    if whole:
        (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if said != "ok":
            return str(said)
    standing = Standing(connection)
    for table in (*_SMALL_TABLES, *(("dead",) if whole else ())):
        standing.rows(table)
    mark = standing.mark
    after = mark.gone_offset if whole else max(mark.gone_offset, mark.end_offset - _TAIL_FRAMES)
    return _fault_of_log(connection, standing, after)


def _fault_of_log(connection: SpoolConnection, standing: Standing, after: int) -> str:
    """Whether every frame past `after` is there with a sound head; bodies are proved when they are read."""
    known = {offset for row in standing.rows("damaged") for offset in range(row[0], row[1] + 1)}
    expected = after + 1
    for row in connection.execute(f"SELECT {HEAD} FROM log WHERE offset > ? ORDER BY offset", (after,)):
        while expected in known:
            expected += 1
        if row[0] in known:
            continue
        if head_of(row) is None or row[0] != expected:
            return f"frame {expected}"
        expected += 1
    while expected in known:
        expected += 1
    return "" if expected == standing.mark.end_offset + 1 else f"frame {expected}"


def _replace(path: Path, fill: Callable[[SpoolConnection], None]) -> None:
    """Puts a new file in the place of a spool, complete or not at all. Raises SpoolFull where there is no room."""
    draft = _beside(path, "mending")
    _remove(draft)
    _remove(kept_path(path))
    try:
        with closing(connect(draft, None)) as into:
            into.execute("PRAGMA journal_mode = OFF").fetchall()
            into.execute("PRAGMA synchronous = OFF")
            into.execute("BEGIN IMMEDIATE")
            make_tables(into)
            fill(into)
            into.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            into.execute("COMMIT")
            into.execute("PRAGMA journal_mode = WAL").fetchall()
    except SpoolFull as error:
        _remove(draft)
        raise SpoolFull(
            f"spool {path} wants mending, for which there is no room: free as much as it takes ("
            f"{path.stat().st_size / 1e6:.0f} MB) on its disk and start again"
        ) from error
    sync_file(draft)
    own_as(path, draft)
    draft.rename(_beside(path, "mended"))
    sync_folder(path.parent)
    _finish_swap(path)


def _finish_swap(path: Path) -> None:
    """Gives a finished new file its place; done again after a crash anywhere within, it does the rest."""
    mended = _beside(path, "mended")
    if not mended.exists():
        return
    kept = kept_path(path)
    if path.exists():
        _remove(kept)
        path.rename(kept)
    wal = path.with_name(path.name + "-wal")
    if wal.exists():
        wal.rename(kept.with_name(kept.name + "-wal"))
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    mended.rename(path)
    suspicion_path(path).unlink(missing_ok=True)
    sync_folder(path.parent)


def _forget(path: Path) -> None:
    """The file was moved away: what stood beside it speaks of another one."""
    for left in (suspicion_path(path), *(path.with_name(path.name + end) for end in (".end", "-wal", "-shm"))):
        left.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal", ".suspect"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _version(path: Path) -> int:
    """The version of a file as its header has it."""
    with path.open("rb") as file:
        return int.from_bytes(file.read(100)[_VERSION_AT], "big")


def _immutable(path: Path) -> sqlite3.Connection:
    """A connection that leaves no trace: neither locks nor the write-ahead file."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


@lru_cache
def _expected_layout() -> frozenset[tuple[str, ...]]:
    with closing(sqlite3.connect(":memory:", factory=SpoolConnection)) as connection:
        connection.path = Path(":memory:")
        make_tables(connection)
        return layout_of(connection)


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f"{path.name}.{what}")
