"""Tables whose rows have no seal (the history's, whose blobs prove themselves), copied as far as SQLite reads them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from collector.spool.connection import SpoolConnection
from collector.spool.tables import TABLES

_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)  # the latter where SQLite quotes damaged text
_MOST_TRIES = 10_000  # at stretches of rows; a damaged page costs about a dozen


def copy_readable(path: Path, into: SpoolConnection, tables: list[str]) -> None:
    """Copies every row that can be read, stretch by stretch, halving those that cannot. Raises nothing for damage."""
    try:
        old = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    except _UNREADABLE:
        return
    try:
        for table in tables:
            _copy(old, into, table)
    finally:
        old.close()


def unsealed_tables(connection: SpoolConnection) -> list[str]:
    """The tables whose rows carry no seal; each begins with its row id."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return sorted(names - set(TABLES) - {twin for twin in names if twin.endswith("_twin")})


def _copy(old: sqlite3.Connection, into: SpoolConnection, table: str) -> None:
    try:
        low, high = old.execute(f"SELECT min(rowid), max(rowid) FROM {table}").fetchone()
    except _UNREADABLE:
        return
    waiting, tries = [(low, high)] if low is not None else [], 0
    while waiting and tries < _MOST_TRIES:
        tries += 1
        low, high = waiting.pop()
        try:
            rows = old.execute(f"SELECT * FROM {table} WHERE rowid BETWEEN ? AND ?", (low, high)).fetchmany(1000)
        except _UNREADABLE:
            middle = (low + high) // 2
            waiting += [(middle + 1, high), (low, middle)] if low < high else []
            continue
        marks = ", ".join("?" * len(rows[0])) if rows else ""
        into.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", rows)
        if len(rows) == 1000:
            waiting.append((rows[-1][0] + 1, high))
