"""The tables of a spool file, and the seal every row carries.

A row's seal is a CRC-32 over its table's name and its columns, so a row proves by itself which table it belongs to and
that no bit of it changed: what reads it never takes damage for data, and `collector.spool.repair.salvage` finds rows
again where SQLite's own structure is broken. A row that may be replaced also has a stamp, the number of the commit that
wrote it; of two versions the higher stamp is the newer. Tables with a `twin` are kept twice, on pages of their own.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

SCHEMA_VERSION = 2

_TABLES = """
CREATE TABLE mark (
    one INTEGER PRIMARY KEY, spool_id INTEGER, end_offset INTEGER, end_total INTEGER,
    gone_offset INTEGER, gone_total INTEGER, booked INTEGER, dead_count INTEGER, dead_bytes INTEGER, dead_gone INTEGER,
    ledger_gone INTEGER, series_end INTEGER, stamp INTEGER, seal INTEGER
);
CREATE TABLE log (
    offset INTEGER PRIMARY KEY, shard TEXT, kind INTEGER, at_ns INTEGER, stored_ns INTEGER,
    readings INTEGER, total INTEGER, output_id TEXT, seal INTEGER, body BLOB
);
CREATE TABLE series (id INTEGER PRIMARY KEY, body BLOB UNIQUE, stamp INTEGER, seal INTEGER);
CREATE TABLE line (shard TEXT PRIMARY KEY, stamp INTEGER, seal INTEGER) WITHOUT ROWID;
CREATE TABLE cursor (reader TEXT PRIMARY KEY, offset INTEGER, total INTEGER, stamp INTEGER, seal INTEGER) WITHOUT ROWID;
CREATE TABLE clock (one INTEGER PRIMARY KEY, at_ns INTEGER, stamp INTEGER, seal INTEGER);
CREATE TABLE memory (name TEXT PRIMARY KEY, body BLOB, stamp INTEGER, seal INTEGER) WITHOUT ROWID;
CREATE TABLE shard_state (
    shard TEXT PRIMARY KEY, offset INTEGER, rev INTEGER, version INTEGER, body BLOB, stamp INTEGER, seal INTEGER
) WITHOUT ROWID;
CREATE TABLE latest (
    measurement TEXT, key TEXT, at_ns INTEGER, body BLOB, stamp INTEGER, seal INTEGER,
    PRIMARY KEY (measurement, key)
) WITHOUT ROWID;
CREATE TABLE dead (
    id INTEGER PRIMARY KEY, topic TEXT, payload BLOB, reason TEXT, received_ns INTEGER, times INTEGER,
    digest BLOB UNIQUE, stamp INTEGER, seal INTEGER
);
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY, asset TEXT, cause TEXT, from_ns INTEGER, to_ns INTEGER, missing INTEGER, note TEXT,
    stamp INTEGER, seal INTEGER
);
CREATE TABLE summed (
    asset TEXT, cause TEXT, from_ns INTEGER, to_ns INTEGER, missing INTEGER, entries INTEGER,
    stamp INTEGER, seal INTEGER, PRIMARY KEY (asset, cause)
) WITHOUT ROWID;
CREATE TABLE damaged (first INTEGER PRIMARY KEY, last INTEGER, readings INTEGER, stamp INTEGER, seal INTEGER);
"""
_INDICES = """
CREATE INDEX log_by_shard ON log (shard, offset) WHERE kind != 4;
CREATE UNIQUE INDEX log_by_output ON log (output_id) WHERE output_id IS NOT NULL;
CREATE INDEX latest_by_time ON latest (measurement, at_ns);
CREATE INDEX ledger_by_asset ON ledger (asset, cause, id);
"""
_TWINS = ("series", "memory", "ledger", "summed", "damaged")  # what nothing else could restore


class Table(NamedTuple):
    """`columns` in stored order, `key` those that are unique; `by_rowid`: the first column is SQLite's row id."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    by_rowid: bool

    def insert(self, conflict: str = "OR REPLACE") -> str:
        """The statement that adds a sealed row, by default in place of its like."""
        return f"INSERT {conflict} INTO {self.name} VALUES ({', '.join('?' * len(self.columns))})"

    def upsert(self, where: str = "") -> str:
        """As `insert`, for tables with a twin: their triggers see a changed row as changed, not as gone and new."""
        values = ", ".join(f"{column} = excluded.{column}" for column in self.columns)
        return f"{self.insert('')} ON CONFLICT DO UPDATE SET {values} {where}"


def _read(statement: str) -> Table:
    name, _, rest = statement.removeprefix("CREATE TABLE ").partition(" (")
    key = re.search(r"PRIMARY KEY \(([^)]*)\)", rest)
    columns = tuple(re.findall(r"(\w+) (?:INTEGER|TEXT|BLOB)\b", rest))
    by_rowid = "WITHOUT ROWID" not in rest
    return Table(name, columns, tuple(key[1].split(", ")) if key else columns[:1], by_rowid)


def _twin(table: Table) -> Iterator[str]:
    """A second table and the triggers that keep it the same."""
    twin, columns = f"{table.name}_twin", ", ".join(f"NEW.{column}" for column in table.columns)
    key = ", ".join(table.key)
    same = " AND ".join(f"{column} = OLD.{column}" for column in table.key)
    yield f"CREATE TABLE {twin} ({', '.join(table.columns)}, PRIMARY KEY ({key})) WITHOUT ROWID"
    gone, come = f"DELETE FROM {twin} WHERE {same}", f"INSERT INTO {twin} VALUES ({columns})"
    for event, acts in (("INSERT", (come,)), ("UPDATE", (gone, come)), ("DELETE", (gone,))):
        yield f"CREATE TRIGGER {table.name}_{event.lower()} AFTER {event} ON {table.name} BEGIN {'; '.join(acts)}; END"


def _statements(script: str) -> list[str]:
    return [statement.strip() for statement in script.split(";\n") if statement.strip()]


TABLES = {table.name: table for table in map(_read, _statements(_TABLES))}
SCHEMA = (
    *_statements(_TABLES),
    *_statements(_INDICES),
    *(statement for name in _TWINS for statement in _twin(TABLES[name])),
)

_encode = msgspec.msgpack.Encoder().encode


def seal_of(table: str, columns: Sequence[Any]) -> int:
    """The seal of a row whose columns, but for the seal and a log row's body, are these."""
    return zlib.crc32(_encode((table, *columns)))


def is_sealed(table: str, row: Sequence[Any]) -> bool:
    """Whether no bit of a row, its seal last, has changed since it was written."""
    return bool(seal_of(table, row[:-1]) == row[-1])
