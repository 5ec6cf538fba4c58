"""csv: rows of a table in a message, under a line of names or under `columns` of site.toml.

    time,temp,good                                time;name;value
    2024-07-11T20:41:28Z,41.5,1718                1720730488000;Press.1.Temp;41,5

Wide, a column is a metric; long, where there are columns `name` and `value`, a row is one, in the unit that a column
`unit` says. Columns called site, area,
line and cell say the place, and any that a level names ("{machine}"). `time` is the column of the time, "" for that of
receipt, of which a message may hold one row a series; `time_format` says how a time is written that is not ISO 8601, as
strptime has it ("%d.%m.%Y %H:%M:%S"). An empty field says
nothing. Options besides those of `collector.formats.tags`: see `Options`. Quotes are those of RFC 4180.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Literal

from collector.config import Name, Site
from collector.formats.event_time import TimeUnit, is_instant, shown
from collector.formats.format import BadPayload
from collector.formats.object_map import LEVELS
from collector.formats.tags import Tag, TagFormat, TagOptions, placing
from collector.sources.source import Message
from collector.topics import TopicTemplate

_DELIMITERS = ("\t", ";", ",")
_NUMBER = re.compile(r"\s*+[+-]?(\d++[.,]?\d*+|[.,]\d++)([eE][+-]?\d++)?\s*+")  # possessive: junk is refused at once
_THOUSANDS = re.compile(r"\s*[+-]?\d{1,3}(\.\d{3})+(,\d*)?\s*")  # 1.234.567,8 where the comma is decimal
_TIME_NAMES = frozenset({"time", "timestamp", "ts", "date", "datetime"})


class Options(TagOptions, frozen=True, kw_only=True):
    """What a csv subscription may say. `columns`: the names where messages have no line of names.

    `delimiter`: "" for the first of tab, `;` and `,` that the first line holds. `decimal`: the decimal mark of values.
    """

    time_unit: TimeUnit = "iso"
    columns: tuple[Name, ...] = ()
    delimiter: Literal["", ",", ";", "\t"] = ""
    decimal: Literal[".", ","] = "."
    time: str = "time"
    time_format: str = ""
    name: Name = "name"
    value: Name = "value"
    unit: Name = "unit"


_AS_IT_COMES = Options()


def build(options: Options, site: Site, topic: TopicTemplate) -> TagFormat:
    """The format as site.toml describes it. Raises ValueError, a sentence, for rules that could never be followed."""
    if options.columns:
        _check_names(options.columns, options)
    if options.time_format:
        _check_format(options)
    read = partial(tags_in, options=options, places=placing(options))
    return TagFormat(read, options, site, topic, time_field=options.time)


def tags_in(message: Message, options: Options = _AS_IT_COMES, places: frozenset[str] = frozenset(LEVELS)) -> list[Tag]:
    """The fields of a message's rows as tags; `places` are the columns that say the place. Raises BadPayload."""
    try:
        rows = rows_in(message.payload, options.delimiter)
        names = options.columns or rows[0][1]
        _check_names(names, options)
        tags = [
            tag
            for number, row in rows[0 if options.columns else 1 :]
            for tag in _tags(_named(names, row, number), options, places)
        ]
        if not options.time:
            _check_single(tags)
        return tags
    except (ValueError, csv.Error) as error:
        raise BadPayload(
            f"topic {message.topic}: no table ({error}): correct the sender, or the format's keys in site.toml"
        ) from error


def fits(message: Message) -> float:
    """How surely a message is of this dialect: a line of names over rows as long, with a number in each; or rows of a
    time and what was measured then, whose `columns` site.toml must name."""
    try:
        names, *rows = [row for _, row in rows_in(message.payload, "")]
    except (ValueError, csv.Error):
        return 0.0
    if is_instant(names[0]):
        return 0.6 if _are_measurements([names, *rows]) else 0.0
    if len(names) < 2 or not rows or not all(re.fullmatch(r"[^\W\d][\w .,%/()\[\]°²³µ-]*", name) for name in names):
        return 0.0
    if any(len(row) != len(names) or not any(map(_NUMBER.fullmatch, row)) for row in rows):
        return 0.0
    return 0.95 if _TIME_NAMES.intersection(name.lower() for name in names) else 0.6


def _are_measurements(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows are all as long, begin with a time and go on with two columns of numbers, or a name and a number."""
    width = len(rows[0])
    if width < 3 or any(len(row) != width or not is_instant(row[0]) for row in rows):
        return False
    are_numbers = [all(map(_NUMBER.fullmatch, column)) for column in zip(*rows, strict=True)][1:]
    return sum(are_numbers) >= 2 or are_numbers == [False, True]


def rows_in(payload: bytes, delimiter: str) -> list[tuple[int, list[str]]]:
    """The rows that hold something, by their line number; one at least. Raises ValueError, csv.Error."""
    text = payload.decode("utf-8-sig")
    first = text.lstrip("\r\n").partition("\n")[0]
    marked = delimiter or next((mark for mark in _DELIMITERS if mark in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=marked, strict=True)
    rows = [(reader.line_num, row) for row in reader if any(row)]
    if not rows:
        raise ValueError("it holds no row")
    return rows


def _check_names(names: Sequence[str], options: Options) -> None:
    """Raises ValueError, a sentence, for names of columns that cannot be those."""
    if any(map(_NUMBER.fullmatch, names)) and not options.columns:
        raise ValueError("its first row holds numbers, no names: write `columns`")
    if len(set(names)) < len(names):
        twice, _ = Counter(names).most_common(1)[0]
        raise ValueError(f"column {shown(twice)} stands twice")
    if options.time and options.time not in names:
        raise ValueError(
            f"there is no column {shown(options.time)} for the time, only {', '.join(map(shown, names[:8]))}"
        )


def _check_format(options: Options) -> None:
    """Raises ValueError, a sentence, for a `time_format` in which no time could be read."""
    try:
        moment = dt.datetime.strptime(dt.datetime(2026, 11, 23, 12).strftime(options.time_format), options.time_format)
    except (ValueError, re.error) as error:
        raise ValueError(f"`time_format` {shown(options.time_format)}: {error}") from error
    if (moment.month, moment.day) != (11, 23) or options.time_unit != "iso":
        raise ValueError('`time_format` needs day, month and year, and time_unit = "iso"')


def _check_single(tags: Iterable[Tag]) -> None:
    """Raises ValueError where a second row of a series has the first one's time, which is that of the receipt."""
    counts = Counter((tag.name, tag.said) for tag in tags if tag.value != "")
    (name, _), most = max(counts.items(), key=lambda one: one[1], default=(("", ()), 0))
    if most > 1:
        raise ValueError(f"{most} rows say {shown(name)} and no time tells them apart: name its column with `time`")


def _named(names: Sequence[str], row: list[str], number: int) -> dict[str, str]:
    """Raises ValueError."""
    if len(row) != len(names):
        raise ValueError(f"line {number} has {len(row)} fields, {len(names)} are wanted")
    return dict(zip(names, row, strict=True))


def _tags(row: dict[str, str], options: Options, places: frozenset[str]) -> list[Tag]:
    """Raises ValueError for a row of a long table without a name."""
    at = row.get(options.time) if options.time else None
    if at and options.time_format:
        at = dt.datetime.strptime(at.strip(), options.time_format).isoformat()
    said = tuple((name, row[name]) for name in row if name in places and row[name])
    if options.name in row and options.value in row:
        value, unit = plain_number(row[options.value], options.decimal), row.get(options.unit, "").strip()
        return [Tag(row[options.name], value, at, unit=unit, said=said)]
    metrics = (name for name in row if name != options.time and name not in places)
    return [Tag(name, plain_number(row[name], options.decimal), at, said=said) for name in metrics]


def plain_number(text: str, decimal: str) -> str:
    """A field as a number is written here, where it is one."""
    if decimal == "." or not (_NUMBER.fullmatch(text) or _THOUSANDS.fullmatch(text)):
        return text.strip()
    return (text.replace(".", "") if _THOUSANDS.fullmatch(text) else text).replace(",", ".").strip()
