"""InfluxQL for panels, variables and rules: short builders that take stored names from `collector.schema` only.

Input: a Measurement and names of its tags and fields; a name it does not have raises ValueError, so a typo fails when
the boards are rendered, not when somebody looks at one. Output: query text. `$timeFilter`, `$__interval` and the
board's variables are left for Grafana to fill in. InfluxQL is what InfluxDB 1.8, 2 and 3 and Grafana all speak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from collector.schema import Measurement

Columns = Mapping[str, str]  # a column's heading -> the field it shows


def chosen(tag: str) -> tuple[str, str]:
    """The condition that a tag is what the board's variable of the same name says."""
    return tag, f"=~ /^${tag}$/"


def equals(tag: str, value: str) -> tuple[str, str]:
    """The condition that a tag has one value."""
    return tag, "= " + _text(value)


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


def tag_values(stored: Measurement, tag: str, *, where: Sequence[Condition] = ()) -> str:
    """Every value a tag has, for a variable."""
    (key,) = _tags(stored, [tag])
    condition = f" WHERE {' AND '.join(_conditions(stored, where))}" if where else ""
    return f"SHOW TAG VALUES FROM {_name(stored.name)} WITH KEY = {key}{condition}"


def _filter(stored: Measurement, where: Sequence[Condition]) -> str:
    return " AND ".join(["$timeFilter", *_conditions(stored, where)])


def _conditions(stored: Measurement, where: Sequence[Condition]) -> list[str]:
    return [f"{key} {test}" for key, (_, test) in zip(_tags(stored, [tag for tag, _ in where]), where, strict=True)]


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
