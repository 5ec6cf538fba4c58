"""Proposed tables of site.toml, and how they are written: each key with the reason for its value as a comment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_CONTROL = dict.fromkeys((*range(0x20), 0x7F, *range(0x80, 0xA0), *range(0xD800, 0xE000)), "?")


class Key(NamedTuple):
    """One line of a table. Without a name it is a comment alone."""

    name: str
    value: Any = None
    why: str = ""


class Table(NamedTuple):
    """One table and its keys in order; `name` with its brackets: `[site]`, `[[subscribe.rule]]`."""

    name: str
    keys: Sequence[Key]


def written(tables: Iterable[Table]) -> str:
    """The tables as TOML."""
    return "\n".join(_table(table) for table in tables)


def comments(lines: Iterable[str]) -> str:
    """Sentences below the tables."""
    said = [f"# {line.translate(_CONTROL)}\n" for line in lines]
    return "".join(["\n", *said]) if said else ""


def _table(table: Table) -> str:
    return "\n".join([table.name, *map(_line, table.keys), ""])


def _line(key: Key) -> str:
    why = f"# {key.why.translate(_CONTROL)}" if key.why else ""
    return f"{_key(key.name)} = {_value(key.value)}{'  ' if why else ''}{why}" if key.name else why


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(name)} = {_value(one)}' for name, one in value.items())} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return str(value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)
