"""What the rows of `csv` give away of their table: its columns, the time's, the decimal mark, whether it is a long one.

A table without a line of names gets some, for the rules must call its columns something; whoever knows them, renames.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from collector.formats import csv as tables
from collector.formats.event_time import is_instant, shown
from collector.recognition.groups import PLACES
from collector.recognition.instants import TimeGuess, is_called_time, unit_of
from collector.recognition.quantity import number_of, words_of
from collector.recognition.rules_text import Key
from collector.sources.source import Message

_WRITTEN_SO_RATIO = 0.95  # of the times of a column; the rest are broken rows
_LOOKED_AT = 200  # messages, spread over the sample
_COMMA = re.compile(r"\s*[+-]?\d*,\d+\s*")
_POINT = re.compile(r"\s*[+-]?(\d*\.\d{1,2}|\d*\.\d{4,}|0?\.\d+)\s*")  # 1.718 may be a thousand, or more than one
_CALLED = frozenset((
    "name", "tag", "signal", "metric", "variable", "sensor",
    "point", "channel", "item", "parameter", "measurement", "measure",
    "quantity", "id", "key", "field", "tagname", "datapoint",
    "kanal", "messstelle", "bezeichnung",
))  # fmt: skip
_WORTH = frozenset(("value", "val", "v", "reading", "wert", "messwert"))

_DATES = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y")
_CLOCKS = ("%H:%M:%S", "%H:%M:%S.%f", "%H:%M", "%I:%M:%S %p", "%I:%M %p")
_FORMATS = tuple(f"{date} {clock}" for date in _DATES for clock in _CLOCKS)

Column = Sequence[tuple[str, int]]  # the filled fields under one name, each with its message's receipt


class Table(NamedTuple):
    """The columns of a sample by name. `is_unnamed`: the names are made up here."""

    columns: Mapping[str, Column]
    is_unnamed: bool = False


def keys_of(messages: Sequence[Message], zone: dt.tzinfo) -> Iterator[Key]:
    """The options under which these messages are read, and the levels that columns say, each with its reason."""
    table = _table(messages[:: max(1, len(messages) // _LOOKED_AT)])
    if not table.columns:
        return
    if table.is_unnamed:
        why = "no row has names: call them by theirs; name and value are of a long table"
        yield Key("columns", list(table.columns), why)
    time, time_format = _time(table.columns, zone)
    if time_format:
        yield Key("time_format", time_format, time.proof if time else "")
    if time is None:
        yield Key("time", "", "no column is a time: that of the receipt is taken")
    elif time.field != "time":
        yield Key("time", time.field, "so is the time called")
    rest = {name: own for name, own in table.columns.items() if time is None or name != time.field}
    if comma := _decimal_comma(rest.values()):
        yield Key("decimal", ",", f"as in {shown(comma)}")
    yield from _long(rest)
    yield from _levels(rest)


def _table(messages: Sequence[Message]) -> Table:
    """The rows of all messages that have the columns of the first."""
    names: Sequence[str] = ()
    columns: dict[str, list[tuple[str, int]]] = {}
    is_unnamed = False
    for message in messages:
        with contextlib.suppress(ValueError, csv.Error):
            rows = [row for _, row in tables.rows_in(message.payload, "")]
            if not names:
                is_unnamed = is_instant(rows[0][0])
                names = _named(rows) if is_unnamed else rows[0]
                columns = {name: [] for name in names}
            if not is_unnamed and rows.pop(0) != names:
                continue
            for row in (one for one in rows if len(one) == len(names)):
                for name, text in zip(names, row, strict=True):
                    if text:
                        columns[name].append((text, message.received_ns))
    return Table(columns, is_unnamed)


def _named(rows: Sequence[Sequence[str]]) -> list[str]:
    """Names for columns without any: the time, and what follows it."""
    are_numbers = [all(map(_is_number, column)) for column in zip(*rows, strict=False)][1:]
    if are_numbers == [False, True]:
        return ["time", "name", "value"]
    return ["time", *(f"{'value' if is_number else 'text'}_{i}" for i, is_number in enumerate(are_numbers, 1))]


def _time(columns: Mapping[str, Column], zone: dt.tzinfo) -> tuple[TimeGuess | None, str]:
    """The column that says when, None where none does, and the format where it is not ISO 8601.

    One called so goes before, then the nearest to the receipt: that tells days from months, too.
    """
    found = [(guess, "") for name, own in columns.items() if (guess := unit_of(name, own, zone))]
    surely = [one for one in found if is_called_time(one[0].field) or is_instant(columns[one[0].field][0][0])]
    if not surely:
        surely = [
            (guess, written)
            for name, own in columns.items()
            for written in _FORMATS
            if (read := _in_format(own, written)) and (guess := unit_of(name, read, zone))
        ]
    return min(surely, key=lambda one: (not is_called_time(one[0].field), one[0].distance_s), default=(None, ""))


def _in_format(column: Column, written: str) -> Column:
    """The times of a column in ISO 8601, none where not nearly all are written so."""
    read = []
    for text, received_ns in column:
        with contextlib.suppress(ValueError):
            read.append((dt.datetime.strptime(text.strip(), written).isoformat(), received_ns))
        if not read:
            return []
    return read if len(read) >= _WRITTEN_SO_RATIO * len(column) else []


def _decimal_comma(columns: Iterable[Column]) -> str:
    """A number with a decimal comma, `""` where none has one, or some have a decimal point."""
    texts = [text for own in columns for text, _ in own]
    return "" if any(map(_POINT.fullmatch, texts)) else next(filter(_COMMA.fullmatch, texts), "")


def _long(columns: Mapping[str, Column]) -> Iterator[Key]:
    """The columns of names and of values, where each row is one value of a name."""
    texts = [name for name, own in columns.items() if own and not any(_is_number(text) for text, _ in own)]
    numbers = [name for name, own in columns.items() if own and sum(_is_number(text) for text, _ in own) > len(own) / 2]
    names = [name for name in texts if _CALLED.intersection(words_of(name)) and name.lower() not in PLACES]
    values = [name for name in numbers if _WORTH.intersection(words_of(name))]
    values = values if values else numbers if len(numbers) == 1 else []
    if len(names) == 1 and len(values) == 1:
        if names[0] != "name":
            yield Key("name", names[0], "each row is one value of what it names")
        if values[0] != "value":
            yield Key("value", values[0])


def _levels(columns: Mapping[str, Column]) -> Iterator[Key]:
    """The levels that columns of texts say, but for those called by the level itself, which the format knows."""
    taken: set[str] = set()
    for name, own in columns.items():
        level = PLACES.get(name.lower(), "")
        if own and level and level not in taken and not any(_is_number(text) for text, _ in own):
            taken.add(level)
            if level != name:
                yield Key(level, f"{{{name}}}", "its rows say which")


def _is_number(text: str) -> bool:
    return number_of(text) is not None or bool(_COMMA.fullmatch(text))
