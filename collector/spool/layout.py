"""The layout of a spool file: its tables, made once, and the version that says how they are to be read."""

from __future__ import annotations

from collector.spool.connection import SpoolConnection, SpoolError
from collector.spool.history.history import SCHEMA as HISTORY_SCHEMA
from collector.spool.mark import new_mark
from collector.spool.tables import SCHEMA, SCHEMA_VERSION, TABLES, seal_of


def lay_out(connection: SpoolConnection) -> None:
    """Makes the tables of a new file. Raises SpoolError for a file of another version."""
    if _version(connection) == 0:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _version(connection) == 0:  # nobody else was faster
                make_tables(connection)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    version = _version(connection)
    if version != SCHEMA_VERSION:
        raise another_version(str(connection.path), version)


def layout_of(connection: SpoolConnection) -> frozenset[tuple[str, ...]]:
    """Everything the file's schema names, with the statements that made it."""
    return frozenset(connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master").fetchall())


def make_tables(connection: SpoolConnection) -> None:
    """All tables, and the mark of a new spool."""
    for statement in (*SCHEMA, *HISTORY_SCHEMA.split(";\n")):
        connection.execute(statement)
    mark = new_mark()
    connection.execute(TABLES["mark"].insert(), (*mark, seal_of("mark", mark)))


def another_version(path: str, version: int) -> SpoolError:
    """The error for a file that only a later version can read."""
    return SpoolError(
        f"spool {path} was written by a newer version (schema {version}, this one reads {SCHEMA_VERSION}): install the "
        "version that wrote it, or move the file away and start with an empty one"
    )


def _version(connection: SpoolConnection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
