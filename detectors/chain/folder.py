"""A chain's folder of CSV files, read into a Network: `load` for programs, `check` for people.

Input: `nodes.csv`, `arcs.csv`, `stock.csv`, and where there are any `in_transit.csv` and `actions.csv`; SCHEMA.md
beside this file describes the columns. A fault is a sentence that names file, row and remedy.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from collector.errors import AndonError
from collector.readings import NS_PER_S
from detectors.chain.faults import Rows, faults
from detectors.chain.network import Arc, Mitigation, Network, Node, Receipt, Stock

T = TypeVar("T", bound=msgspec.Struct)

_FIRST_ROW = 2  # as a spreadsheet counts; row 1 names the columns
_FIELD = {"as_of": "as_of_ns", "due": "due_ns"}  # columns that hold ISO 8601 instants
_COLUMN = {field: column for column, field in _FIELD.items()}
_ELSEWHERE = frozenset({"in_transit"})  # fields that are read from a file of their own


class ChainError(AndonError):
    """The chain cannot be used; the sentences name file, row and remedy."""


def load(folder: Path) -> Network:
    """The chain of a folder. Raises ChainError with one sentence per fault."""
    reading = _read(folder)
    if reading.sentences:
        raise ChainError("\n".join(reading.sentences))
    return _network(reading.rows)


def check(folder: Path) -> list[str]:
    """Every fault of a folder, one sentence each; empty when `load` would take it."""
    return _read(folder).sentences


@dataclass(slots=True)
class _Reading:
    """A folder as far as it could be read, and what was wrong with it."""

    rows: Rows
    sentences: list[str] = field(default_factory=list)


def _read(folder: Path) -> _Reading:
    if not folder.is_dir():
        return _Reading(Rows(()), [f"{folder}: no such folder; name one that holds nodes.csv, arcs.csv and stock.csv"])
    said: list[str] = []
    rows = Rows(
        nodes=_table(folder / "nodes.csv", Node, said.append),
        arcs=_table(folder / "arcs.csv", Arc, said.append),
        stock=_table(folder / "stock.csv", Stock, said.append),
        in_transit=_table(folder / "in_transit.csv", Receipt, said.append, required=False),
        actions=_table(folder / "actions.csv", Mitigation, said.append, required=False),
    )
    if not said:  # rows that are missing would be reported as unknown names
        for table, row, says in faults(rows):
            place = f" row {row + _FIRST_ROW}" if row >= 0 else ""
            said.append(f"{folder / table}.csv{place}: {says}")
    return _Reading(rows, said)


def _network(rows: Rows) -> Network:
    arriving = {
        (stock.node, stock.material): tuple(
            receipt for receipt in rows.in_transit if (receipt.node, receipt.material) == (stock.node, stock.material)
        )
        for stock in rows.stock
    }
    stocks = (msgspec.structs.replace(s, in_transit=arriving[s.node, s.material]) for s in rows.stock)
    return Network(tuple(rows.nodes), tuple(rows.arcs), tuple(stocks), tuple(rows.actions))


def _table(path: Path, kind: type[T], say: Callable[[str], None], *, required: bool = True) -> Sequence[T]:
    """The rows of one file, as far as they can be read; says what is wrong with the others."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        if required:
            say(f"{path}: no such file; create it (columns: detectors/chain/SCHEMA.md)")
        return []
    except (OSError, UnicodeDecodeError) as error:
        say(f"{path}: cannot be read ({error}); save it as UTF-8 with read access")
        return []
    columns, *lines = list(csv.reader(text.rstrip().splitlines(), skipinitialspace=True)) or [[]]
    wrong = _wrong_columns(columns, kind)
    if wrong:
        say(f"{path}: {wrong}")
        return []
    rows: list[T] = []
    for number, cells in enumerate(lines, start=_FIRST_ROW):
        try:
            rows.append(_row(columns, cells, kind))
        except ValueError as error:  # msgspec's ValidationError is one
            say(f"{path} row {number}: {_plain(str(error))}")
    return rows


def _wrong_columns(columns: Sequence[str], kind: type[T]) -> str:
    fields = [field for field in msgspec.structs.fields(kind) if field.name not in _ELSEWHERE]
    known = [_COLUMN.get(field.name, field.name) for field in fields]
    missing = [_COLUMN.get(field.name, field.name) for field in fields if field.required]
    for column in missing:
        if column not in columns:
            return f"the column `{column}` is missing; add it to the first line"
    for column in columns:
        if column not in known:
            return f"unknown column `{column}`; columns are {', '.join(known)}"
    return ""


def _row(columns: Sequence[str], cells: Sequence[str], kind: type[T]) -> T:
    if len(cells) != len(columns):
        raise ValueError(f"it has {len(cells)} cells, the first line {len(columns)}; quote texts that hold a comma")
    filled = {column: text.strip() for column, text in zip(columns, cells, strict=True) if text.strip()}
    return msgspec.convert({_FIELD.get(c, c): _cell(c, text) for c, text in filled.items()}, kind, strict=False)


def _cell(column: str, text: str) -> str | int:
    if column not in _FIELD:
        return text
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"`{column}` is {text!r}; write an ISO 8601 instant such as 2026-03-02T08:00:00Z") from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return int(aware.timestamp()) * NS_PER_S


def _plain(message: str) -> str:
    """Turns msgspec's "Expected `float`, got `str` - at `$.share`" into a sentence with column and remedy."""
    text, _, column = message.partition(" - at `$.")
    if column:
        return f"`{column.rstrip('`')}`: {text[0].lower()}{text[1:]}; correct the cell"
    if text.startswith("Object missing required field"):
        name = text.split("`")[1]
        return f"`{_COLUMN.get(name, name)}` is empty; fill it in"
    return text
