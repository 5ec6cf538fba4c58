"""A sound spool made from what `collector.spool.repair.salvage` found of a damaged one, with the loss in its books.

The new file stands where the newest mark stood. Every offset between what is gone on purpose and the end that is not
there is lost: booked by line where a head tells it, else for the whole spool, in any case to the reading.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from collector.readings import Equipment, Series
from collector.spool.connection import SpoolConnection
from collector.spool.damage import HEAD, Damage, Edge, Head, Span, after_it, before_it, head_of, losses
from collector.spool.frames import gap_frames
from collector.spool.ledger import EVERYWHERE, Cause, Gap, Ledger
from collector.spool.log import Log
from collector.spool.mark import Mark, Standing, new_mark
from collector.spool.repair import salvage
from collector.spool.repair.salvage import Finds
from collector.spool.repair.transfer import copy_readable, unsealed_tables
from collector.spool.tables import TABLES, seal_of

_NAMED = {
    "shard_state": "the detectors' memory of the line",
    "memory": "the memory",
    "cursor": "the place of the reader",
}
_NOT_STAMPED = ("log", "mark")
_BACKLOG = (
    ":backlog"  # the cursor behind which `collector.lanes` keeps what a reader left behind; see `_resume_backlogs`
)
_FED_AGAIN = ("history",)  # readers that may take the log once more: their tables are copied, not searched for


def rebuild(path: Path, into: SpoolConnection, witness: Mark | None) -> list[Gap]:
    """Fills a new, empty spool with what the one at `path` still holds; returns what is lost, as booked.

    `witness`: the mark of the last commit that was acknowledged. Runs inside the caller's transaction.
    """
    found = salvage.search(path, into)
    copy_readable(path, into, unsealed_tables(into))
    mark = max((one for one in (found.mark, witness) if one), key=lambda one: one.stamp, default=None)
    mark = mark or _inferred(into)
    _drop_what_was_gone(into, mark)
    _set_mark(into, mark._replace(**_dead_counts(into), stamp=mark.stamp + 1))
    standing = Standing(into)
    ledger = Ledger(into, standing)
    damage = Damage(into, standing, ledger)
    rebuilding = _Rebuilding(into, standing, ledger, damage, found)
    before = ledger.last_id()
    rebuilding.name_lost_series(mark.series_end)
    lost_names = rebuilding.say_lost_names(_names(path))
    rebuilding.resume_backlogs(lost_names)
    rebuilding.make_up_ledger(mark.booked)
    rebuilding.book_holes(starts_anew="cursor" in {table for table, _ in lost_names})
    Log(into, standing, damage).append(gap_frames(rebuilding.gaps))
    standing.write()
    return ledger.since(before)


class _Rebuilding:
    def __init__(
        self, connection: SpoolConnection, standing: Standing, ledger: Ledger, damage: Damage, found: Finds
    ) -> None:
        self._connection = connection
        self._standing = standing
        self._ledger = ledger
        self._damage = damage
        self._found = found
        self.gaps: list[Gap] = []  # of the log, for the detectors

    def book_holes(self, *, starts_anew: bool) -> None:
        """Books every stretch of the log that is not there; with `starts_anew` some reader has had nothing yet."""
        had = Edge(0, 0, 0) if starts_anew else self._damage.had()
        for begin, end in self._holes():
            known = self._damage.spans(begin.offset + 1, end.offset - 1)
            if sum(span.last - span.first + 1 for span in known) == end.offset - begin.offset - 1:
                continue
            for gap in losses(begin, end, self._heads_between(begin, end, known), had, booked=known):
                self._ledger.add(gap)
                self.gaps.append(gap)
            self._connection.executemany("DELETE FROM damaged WHERE first = ?", [(span.first,) for span in known])
            self._damage.record(Span(begin.offset + 1, end.offset - 1, end.total - begin.total))

    def make_up_ledger(self, booked: int) -> None:
        """What the ledger once said, and no entry says any more, stays counted."""
        missing = booked - self._ledger.sum()
        self._standing.move(booked=self._ledger.sum())
        if missing > 0:
            note = "entries of the ledger were damaged: what they counted, of whatever it was"
            self._ledger.add(Gap(EVERYWHERE, Cause.DAMAGED, 0, 0, missing, note))

    def name_lost_series(self, last_id: int) -> None:
        """Gives series whose name is lost one that says so: their readings stay."""
        known = {row[0] for row in self._connection.execute("SELECT id FROM series")}
        for lost in sorted(set(range(1, last_id + 1)) - known):
            series = Series(Equipment("unknown", "unknown"), f"series_{lost}", on_event=True)
            self._put("series", lost, msgspec.json.encode(series))
            self._say(f"series {lost}", "the name of the series")

    def say_lost_names(self, before: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Says which lines, memories and readers begin anew, and returns them with their table."""
        now = {(table, name) for table in _NAMED for name in _column(self._connection, table)}
        for table, name in sorted(before - now):
            self._say(name, _NAMED[table])
        return before - now

    def resume_backlogs(self, lost: set[tuple[str, str]]) -> None:
        """A reader that lost the list of what it left behind reads on from the oldest of it."""
        cursors = {reader: (offset, total) for reader, offset, total in self._standing.rows("cursor")}
        for name, place in cursors.items():
            reader = name.removesuffix(_BACKLOG)
            if name != reader and ("memory", f"backlog {reader}") in lost:
                self._put("cursor", reader, *place)
        for reader in _FED_AGAIN:
            if reader in cursors:
                self._put("cursor", reader, 0, 0)

    def _holes(self) -> Iterator[tuple[Edge, Edge]]:
        mark = self._standing.mark
        edge = Edge(mark.gone_offset, mark.gone_total, 0)
        query = f"SELECT {HEAD} FROM log WHERE offset > ? ORDER BY offset"
        for head in filter(None, map(head_of, self._connection.execute(query, (mark.gone_offset,)))):
            if head.offset != edge.offset + 1:
                yield edge, before_it(head)
            edge = after_it(head)
        if edge.offset < mark.end_offset:
            yield edge, Edge(mark.end_offset + 1, mark.end_total, edge.at_ns)

    def _heads_between(self, begin: Edge, end: Edge, known: list[Span]) -> list[Head]:
        broken = self._found.broken
        heads = [broken[offset] for offset in sorted(broken) if begin.offset < offset < end.offset]
        return [head for head in heads if not any(span.first <= head.offset <= span.last for span in known)]

    def _say(self, asset: str, what: str) -> None:
        at_ns = next((row[1] for row in self._standing.rows("clock")), 0)
        self._ledger.add(Gap(asset, Cause.DAMAGED, at_ns, at_ns, 0, f"{what} was damaged on the disk: it begins anew"))

    def _put(self, table: str, *columns: object) -> None:
        self._connection.execute(TABLES[table].upsert(), self._standing.sealed(table, *columns))


def _inferred(connection: SpoolConnection) -> Mark:
    """Where a spool stands of which neither a mark nor a witness is left: by its frames alone."""
    rows = connection.execute(f"SELECT {HEAD} FROM log ORDER BY offset LIMIT 1").fetchall()
    rows += connection.execute(f"SELECT {HEAD} FROM log ORDER BY offset DESC LIMIT 1").fetchall()
    heads = [head for head in map(head_of, rows) if head]
    stamps = [
        connection.execute(f"SELECT max(stamp) FROM {table}").fetchone()[0] or 0
        for table in TABLES
        if table not in _NOT_STAMPED
    ]
    mark = new_mark()._replace(
        stamp=max(stamps), series_end=connection.execute("SELECT coalesce(max(id), 0) FROM series").fetchone()[0]
    )
    if not heads:
        return mark
    first, last = heads[0], heads[-1]
    return mark._replace(
        end_offset=last.offset,
        end_total=last.total,
        gone_offset=first.offset - 1,
        gone_total=first.total - first.readings,
    )


def _drop_what_was_gone(connection: SpoolConnection, mark: Mark) -> None:
    """Takes away what is newer than the mark, and what had been dropped on purpose and stood on a free page."""
    spared = "(kind IN (3, 5) OR output_id LIKE 'alert|%')"
    connection.execute(
        f"DELETE FROM log WHERE offset > ? OR (offset <= ? AND {spared} IS NOT TRUE)",
        (mark.end_offset, mark.gone_offset),
    )
    for table in TABLES:
        if table not in _NOT_STAMPED:
            connection.execute(f"DELETE FROM {table} WHERE stamp > ?", (mark.stamp,))
    connection.execute("DELETE FROM dead WHERE id <= ?", (mark.dead_gone,))
    connection.execute("DELETE FROM ledger WHERE id <= ?", (mark.ledger_gone,))
    connection.execute("DELETE FROM damaged WHERE last <= ?", (mark.gone_offset,))


def _set_mark(connection: SpoolConnection, mark: Mark) -> None:
    connection.execute(TABLES["mark"].insert(), (*mark, seal_of("mark", mark)))


def _dead_counts(connection: SpoolConnection) -> dict[str, int]:
    sums = "SELECT count(*), coalesce(sum(length(payload) + length(CAST(reason AS BLOB))), 0) FROM dead"
    count, size = connection.execute(sums).fetchone()
    return {"dead_count": count, "dead_bytes": size}


def _names(path: Path) -> set[tuple[str, str]]:
    """Which lines, memories and readers a damaged file may have known, as far as SQLite can still list them."""
    found = set[tuple[str, str]]()
    with suppress(sqlite3.Error, UnicodeDecodeError):
        old = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        for table in _NAMED:
            with suppress(sqlite3.Error, UnicodeDecodeError):
                found |= {(table, name) for name in _column(old, table)}
        old.close()
    return found


def _column(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    first = TABLES[table].columns[0]
    return (str(name) for (name,) in connection.execute(f"SELECT {first} FROM {table}"))
