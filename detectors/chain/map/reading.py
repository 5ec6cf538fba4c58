"""A folder of CSV files -> Tables, as far as they can be read, and a Fault for every cell that cannot.

A file is taken in pieces, column by column: each distinct text of a column is read once, so that names are held once in
memory, and 800,000 rows take seconds.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice, repeat
from math import isfinite, isnan
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast, get_type_hints

import msgspec

from detectors.chain.map.tables import (
    KINDS,
    REQUIRED,
    Amount,
    Class,
    Does,
    Fault,
    Instant,
    Ratio,
    Role,
    Row,
    Scope,
    Tables,
)

R = TypeVar("R", bound=Row)

_PIECE = 20_000  # rows
_UTC = dt.UTC
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=_UTC)
_LATEST_YEAR = 2200  # ns since 1970 end in 2262


def read_folder(folder: Path) -> tuple[Tables, list[Fault]]:
    """All rows that can be read, and what is wrong with the others and with the files."""
    faults: list[Fault] = []
    read = [tuple(read_table(folder / f"{kind.table}.csv", kind, faults.append)) for kind in KINDS]
    return Tables(*cast(Any, read)), faults


def read_table(path: Path, kind: type[R], say: Callable[[Fault], None]) -> Iterator[R]:
    """The rows of one file; says what is wrong with those it leaves out."""
    told = partial(Fault, kind.table)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, skipinitialspace=True)
            names = [name.strip() for name in next(lines, [])]
            wrong = _wrong_names(names, kind)
            if wrong:
                say(told(0, wrong))
                return
            columns = _Columns(kind, names)
            for first, piece in _pieces(lines):
                yield from columns.rows(first, piece, lambda row, says: say(told(row, says)))
    except FileNotFoundError:
        if kind.table in REQUIRED:
            say(told(0, "no such file; create it (columns: detectors/chain/SCHEMA.md)"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        say(told(0, f"cannot be read ({error}); save it as CSV in UTF-8 with read access"))


def column_names(kind: type[Row]) -> list[str]:
    """The columns of a table in the order of SCHEMA.md: its own first, where each row is from last."""
    names = [_written(field) for field in msgspec.structs.fields(kind) if field.name != "row"]
    return [*names[3:], *names[:3]]


def instant(text: str) -> int:
    """An ISO 8601 date or instant (UTC without a zone) as UTC ns. Raises ValueError."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"is {text!r}; write an ISO 8601 date or instant such as 2026-03-02T08:00:00Z") from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=_UTC)
    if not 1970 < aware.year < _LATEST_YEAR:
        raise ValueError(f"is {text!r}; the year must lie between 1971 and {_LATEST_YEAR - 1}")
    return (aware - _EPOCH) // dt.timedelta(microseconds=1) * 1000


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise ValueError(f"is {text!r}, which is no number; correct the cell") from error
    if isnan(number) or not isfinite(number):
        raise ValueError(f"is {number}; it must be a plain number")
    if number < 0:
        raise ValueError(f"is {number:g}; it must not be negative")
    return number


def _ratio(text: str) -> float:
    number = _number(text)
    if number > 1:
        raise ValueError(f"is {number:g}; it must lie in 0 to 1")
    return number


def _class(text: str) -> int:
    if text not in ("0", "1", "2"):
        raise ValueError(f"is {text!r}; it is 2 (nothing is made without it), 1 (not essential) or 0 (no effect)")
    return int(text)


def _yes(text: str) -> bool:
    said = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.casefold())
    if said is None:
        raise ValueError(f"is {text!r}; write true or false")
    return said


def _one_of(words: type[Does] | type[Role] | type[Scope], text: str) -> str:
    try:
        return words(text.casefold())
    except ValueError as error:
        raise ValueError(f"is {text!r}; write one of {', '.join(word for word in words if word)}") from error


_READERS: dict[object, Callable[[str], object]] = {
    str: str,
    bool: _yes,
    Amount: _number,
    Ratio: _ratio,
    Instant: instant,
    Class: _class,
    Does: partial(_one_of, Does),
    Role: partial(_one_of, Role),
    Scope: partial(_one_of, Scope),
}
_EVIDENCE: dict[str, Callable[[str], object]] = {"as_of": instant, "confidence": _ratio}


class _Column(NamedTuple):
    """How one field of a row is read from its column, `place` of the line; None: the file has no such column."""

    name: str
    place: int | None
    read: Callable[[str], object]
    default: object  # NODEFAULT: the cell must be filled
    known: dict[str, object]  # what texts met so far mean

    def values(self, texts: Sequence[str], wrong: Callable[[int, str], None]) -> Iterable[object]:
        """The values of a piece of a column; says which (from 0) are none."""
        known = self.known
        refused: dict[str, str] = {}
        for text in set(texts).difference(known):
            try:
                known[text] = self._value(text.strip())
            except ValueError as error:
                refused[text] = str(error)
        if not refused:
            return map(known.__getitem__, texts)
        for i, text in enumerate(texts):
            if text in refused:
                wrong(i, f"`{self.name}` {refused[text]}")
        return map(known.get, texts)

    def _value(self, text: str) -> object:
        if text:
            return self.read(text)
        if self.default is msgspec.NODEFAULT:
            raise ValueError("is empty; fill it in")
        return self.default


class _Columns:
    """The columns of one file."""

    def __init__(self, kind: type[R], names: Sequence[str]) -> None:
        self._kind = kind
        self._width = len(names)
        hints = get_type_hints(kind, include_extras=True)
        self._columns = []
        for field in msgspec.structs.fields(kind)[1:]:  # all but the number of the row
            name = _written(field)
            read = _EVIDENCE.get(name) or _READERS[hints[field.name]]
            place = names.index(name) if name in names else None
            self._columns.append(_Column(name, place, read, field.default, {}))

    def rows(self, first: int, piece: Sequence[Sequence[str]], wrong: Callable[[int, str], None]) -> list[Any]:
        """The sound rows of a piece whose first row has the number `first`."""
        numbered = list(enumerate(piece, start=first))
        if set(map(len, piece)) != {self._width}:
            for number, cells in numbered:
                if any(cells) and len(cells) != self._width:
                    told = f"it has {len(cells)} cells, the first line {self._width}"
                    wrong(number, f"{told}; quote texts that hold a comma")
            numbered = [(number, cells) for number, cells in numbered if len(cells) == self._width]
        if not all(map(any, piece)):  # lines without a word
            numbered = [(number, cells) for number, cells in numbered if any(cells)]
        numbers, texts = [number for number, _ in numbered], list(zip(*(cells for _, cells in numbered), strict=True))
        return self._built(numbers, texts, wrong) if numbers else []

    def _built(
        self, numbers: Sequence[int], texts: Sequence[Sequence[str]], wrong: Callable[[int, str], None]
    ) -> list[Any]:
        bad: set[int] = set()

        def noted(i: int, says: str) -> None:
            bad.add(i)
            wrong(numbers[i], says)

        columns = [
            repeat(column.default) if column.place is None else column.values(texts[column.place], noted)
            for column in self._columns
        ]
        rows = list(map(self._kind, numbers, *columns))
        return [row for i, row in enumerate(rows) if i not in bad] if bad else rows


def _pieces(lines: Iterator[list[str]]) -> Iterator[tuple[int, list[list[str]]]]:
    first = 2
    while piece := list(islice(lines, _PIECE)):
        yield first, piece
        first += len(piece)


def _written(field: msgspec.structs.FieldInfo) -> str:
    return "as_of" if field.name == "as_of_ns" else field.encode_name


def _wrong_names(names: Sequence[str], kind: type[Row]) -> str:
    known = column_names(kind)
    for field in msgspec.structs.fields(kind)[1:]:
        if field.required and _written(field) not in names:
            return f"the column `{_written(field)}` is missing; add it to the first line"
    for i, name in enumerate(names):
        if name not in known:
            return f"unknown column `{name}`; columns are {', '.join(known)}"
        if name in names[:i]:
            return f"the column `{name}` stands there twice; remove one"
    return ""
