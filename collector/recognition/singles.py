"""How objects of one value each call its fields: the options of `json_value` that differ from the usual names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from collector.formats import json_value
from collector.recognition.rules_text import Key
from collector.sources.source import Message

_USUAL = json_value.Options()


def keys_of(messages: Sequence[Message]) -> Iterator[Key]:
    """The names that most of the objects have, each with its reason."""
    called: dict[str, Counter[str]] = {}
    for message in messages:
        for option, field in _fields(message).items():
            called.setdefault(option, Counter())[field] += 1
    for option, counts in called.items():
        ((field, _),) = counts.most_common(1)
        if field != getattr(_USUAL, option):
            yield Key(option, field, f"so is the {option} called")


def _fields(message: Message) -> dict[str, str]:
    try:
        said = msgspec.json.decode(message.payload)
    except (ValueError, RecursionError):
        return {}
    return json_value.fields_of(said) if isinstance(said, dict) else {}
