"""The rules of Prometheus' text exposition format 0.0.4, as a reader that refuses what breaks one."""

from __future__ import annotations

import re
from typing import NamedTuple

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(?:,|$)')
_SAMPLE = re.compile(r"(?P<name>[^{\s]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_KINDS = ("counter", "gauge", "histogram", "summary", "untyped")


class Family(NamedTuple):
    kind: str
    help: str
    samples: dict[tuple[tuple[str, str], ...], float]


def families(body: bytes) -> dict[str, Family]:
    """The families of an exposition by name. Raises AssertionError where a rule of the format is broken."""
    text = body.decode("utf-8")
    assert text.endswith("\n"), "the last line must end with a line feed"
    found: dict[str, Family] = {}
    told: dict[str, str] = {}
    current = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, _, said = line.removeprefix("# HELP ").partition(" ")
            assert name not in told, f"{name} has two HELP lines"
            told[name] = said
        elif line.startswith("# TYPE "):
            name, kind = line.removeprefix("# TYPE ").split(" ")
            assert _NAME.fullmatch(name), f"{name} is no metric name"
            assert name not in found, f"{name} has two TYPE lines, or its samples are not one group"
            assert kind in _KINDS, kind
            found[name], current = Family(kind, told[name], {}), name
        else:
            _take(line, current, found)
    return found


def _take(line: str, current: str, found: dict[str, Family]) -> None:
    sample = _SAMPLE.fullmatch(line)
    assert sample, f"no sample: {line}"
    assert sample["name"] == current, f"{sample['name']} stands outside its group"
    labels = tuple((one[1], one[2]) for one in _LABEL.finditer(sample["labels"] or ""))
    rest = _LABEL.sub("", sample["labels"] or "")
    assert not rest, f"these are no labels: {rest}"
    assert len(dict(labels)) == len(labels), f"a label twice: {line}"
    assert labels not in found[current].samples, f"a sample twice: {line}"
    found[current].samples[labels] = float(sample["value"])
