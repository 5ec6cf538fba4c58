"""InfluxQL for panels, variables and rules: short builders that take stored names from `collector.schema` only.

Input: a Measurement and names of its tags and fields; a name it does not have raises ValueError, so a typo fails when
the boards are rendered, not when somebody looks at one. Output: query text. `$timeFilter`, `$__interval` and the
board's variables are left for Grafana to fill in. InfluxQL is what InfluxDB 1.8, 2 and 3 and Grafana all speak.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from collector.schema import Measurement

Columns = Mapping[str, str]  # a column's heading -> the field it shows


class Linear(NamedTuple):
    """A field in other units: `plus + times * field`."""

    field: str
    times: float
    plus: float = 0.0


class Kept(NamedTuple):
    """Which rows are shown: those whose newest field compares so, such as `Kept("stops_at", "> 0")`."""

    field: str
    test: str


def chosen(tag: str, variable: str = "") -> tuple[str, str]:
    """The condition that a tag is what the board's variable says, that of the same name unless told another."""
    return tag, f"=~ /^${variable or tag}$/"


def chosen_among(tag: str, variable: str) -> tuple[str, str]:
    """The condition that a tag of several values, joined by ", ", has one that the board's variable says."""
    return tag, f"=~ /(^|, )${variable}(,.*)?$/"


def equals(tag: str, value: str) -> tuple[str, str]:
    """The condition that a tag has one value."""
    return tag, "= " + _text(value)


def among(tag: str, values: Sequence[str]) -> tuple[str, str]:
    """The condition that a tag has one of several values."""
    return tag, f"=~ /^({'|'.join(map(re.escape, values))})$/"


def other_than(tag: str, value: str) -> tuple[str, str]:
    """The condition that a tag has any value but one."""
    return tag, "!= " + _text(value)


def none_of(tag: str, values: Sequence[str]) -> tuple[str, str]:
    """The condition that a tag has none of several values."""
    return tag, f"!~ /^({'|'.join(map(re.escape, values))})$/"


def of_family(names: Sequence[str]) -> tuple[str, str]:
    """The condition that a metric is one of these families, `name/...`."""
    return "metric", f"=~ /^({'|'.join(map(re.escape, names))})\\//"


Condition = tuple[str, str]


def over_time(
    stored: Measurement, columns: Columns, *, how: str, where: Sequence[Condition] = (), by: Sequence[str] = ()
) -> str:
    """One value an interval, aggregated by the InfluxQL function `how`; intervals without data stay empty."""
    shown = ", ".join(f"{how}({_field(stored, field)}) AS {_name(heading)}" for heading, field in columns.items())
    groups = ", ".join(["time($__interval)", *_tags(stored, by)])
    return f"SELECT {shown} FROM {_name(stored.name)} WHERE {_filter(stored, where)} GROUP BY {groups} fill(none)"


def latest(stored: Measurement, columns: Columns, *, where: Sequence[Condition] = (), by: Sequence[str] = ()) -> str:
    """The newest whole point of every group, with its own time."""
    shown = ", ".join(f"{_field(stored, field)} AS {_name(heading)}" for heading, field in columns.items())
    groups = f" GROUP BY {', '.join(_tags(stored, by))}" if by else ""
    source = f"SELECT {shown} FROM {_name(stored.name)} WHERE {_filter(stored, where)}"
    return f"{source}{groups} ORDER BY time DESC LIMIT 1"


def highest_of_latest(
    stored: Measurement,
    heading: str,
    field: str,
    *,
    where: Sequence[Condition] = (),
    by: Sequence[str],
    among: Sequence[str],
) -> str:
    """The highest of the newest values that each of `among` has, one row a group: nobody hides behind another."""
    each = ", ".join(_tags(stored, [*by, *among]))
    newest = f"SELECT last({_field(stored, field)}) AS {_name(heading)} FROM {_name(stored.name)}"
    inner = f"{newest} WHERE {_filter(stored, where)} GROUP BY {each}"
    return f"SELECT max({_name(heading)}) AS {_name(heading)} FROM ({inner}) GROUP BY {', '.join(_tags(stored, by))}"


def latest_above(
    stored: Measurement,
    columns: Columns,
    *,
    limit: float,
    where: Sequence[Condition] = (),
    by: Sequence[str] = (),
) -> str:
    """The newest point of every group, of those groups whose first column stands above `limit` there."""
    (first, field), *others = columns.items()
    picked = [f"last({_field(stored, field)}) AS {_name(first)}"]
    picked += [f"{_field(stored, field)} AS {_name(heading)}" for heading, field in others]
    groups = ", ".join(_tags(stored, by))
    inner = f"SELECT {', '.join(picked)} FROM {_name(stored.name)} WHERE {_filter(stored, where)} GROUP BY {groups}"
    shown = ", ".join(map(_name, columns))
    return f"SELECT {shown} FROM ({inner}) WHERE {_name(first)} > {limit:g} GROUP BY {groups}"


def rows(
    stored: Measurement,
    columns: Mapping[str, str | Linear],
    *,
    by: Sequence[str],
    newest: str,
    kept: Sequence[Kept] = (),
    where: Sequence[Condition] = (),
    within: str = "",
) -> str:
    """One row a group, its newest point, tags among the columns: the answer is one table, as a node graph needs it.

    `newest` is a field every point has. `within` (such as "400d") fixes the window; without it the time picker does.
    """
    used = [column.field if isinstance(column, Linear) else column for column in columns.values()]
    used += [one.field for one in kept]
    fields = [field for field in dict.fromkeys([newest, *used]) if field not in by]
    picked = [f"last({_field(stored, newest)}) AS {_name(newest)}"]
    picked += [f"{_field(stored, field)} AS {_name(field)}" for field in fields if field != newest]
    window = f"time > now() - {within}" if within else "$timeFilter"
    condition = " AND ".join([window, *_conditions(stored, where)])
    groups = ", ".join(_tags(stored, by))
    inner = f"SELECT {', '.join(picked)} FROM {_name(stored.name)} WHERE {condition} GROUP BY {groups}"
    shown = ", ".join(f"{_term(column)} AS {_name(heading)}" for heading, column in columns.items())
    tests = " AND ".join(f"{_name(one.field)} {one.test}" for one in kept)
    return f"SELECT {shown} FROM ({inner})" + (f" WHERE {tests}" if tests else "")


def summed(stored: Measurement, columns: Columns, *, where: Sequence[Condition] = (), by: Sequence[str] = ()) -> str:
    """The sum of each field over the time shown; one row a group."""
    shown = ", ".join(f"sum({_field(stored, field)}) AS {_name(heading)}" for heading, field in columns.items())
    groups = ", ".join(_tags(stored, by))
    return f"SELECT {shown} FROM {_name(stored.name)} WHERE {_filter(stored, where)} GROUP BY {groups}"


def events(stored: Measurement, fields: Sequence[str], *, where: Sequence[Condition] = ()) -> str:
    """Every point with its own time, fields under their own names, for annotations."""
    shown = ", ".join(_field(stored, field) for field in fields)
    return f"SELECT {shown} FROM {_name(stored.name)} WHERE {_filter(stored, where)}"


def tag_values(stored: Measurement, tag: str, *, where: Sequence[Condition] = ()) -> str:
    """Every value a tag has, for a variable."""
    (key,) = _tags(stored, [tag])
    condition = f" WHERE {' AND '.join(_conditions(stored, where))}" if where else ""
    return f"SHOW TAG VALUES FROM {_name(stored.name)} WITH KEY = {key}{condition}"


def _filter(stored: Measurement, where: Sequence[Condition]) -> str:
    return " AND ".join(["$timeFilter", *_conditions(stored, where)])


def _conditions(stored: Measurement, where: Sequence[Condition]) -> list[str]:
    return [f"{key} {test}" for key, (_, test) in zip(_tags(stored, [tag for tag, _ in where]), where, strict=True)]


def _term(column: str | Linear) -> str:
    if isinstance(column, str):
        return _name(column)
    return f"{column.plus:g} + {column.times:g} * {_name(column.field)}"


def _tags(stored: Measurement, tags: Sequence[str]) -> list[str]:
    for tag in tags:
        if tag not in stored.tags:
            raise ValueError(f"measurement {stored.name} has no tag {tag!r}; it has {', '.join(stored.tags)}")
    return [_name(tag) for tag in tags]


def _field(stored: Measurement, field: str) -> str:
    if field not in stored.fields:
        raise ValueError(f"measurement {stored.name} has no field {field!r}; it has {', '.join(stored.fields)}")
    return _name(field)


def _name(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
