"""What a process said on its standard error, read as its user reads it."""

from __future__ import annotations

import re
from collections import Counter

from deploy.bench.rig import Rig

_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?P<level>[A-Z]+) (?P<module>\S+) (?P<said>.*)")
_SENTENCE = re.compile(r"(?P<event>[a-z_]+\.[a-z_]+)( \w+=('[^']*'|\"[^\"]*\"|\S+))*(; .+)?")
_MENDED = frozenset({"sink.available", "ingest.goes_on"})  # good news asks nothing of the reader
_HABITS = frozenset({"broker.overruns"})  # Mosquitto does so whenever it hands on what it kept; it says nothing here


def log_of(rig: Rig, process: str = "collect") -> str:
    """All that the site's processes of this name have said so far."""
    return (rig.folder / f"{process}.log").read_text()


def events(log: str) -> dict[str, int]:
    """How often each event was told. Every line must be one: `event key=value ...; what to do`, never a traceback."""
    told: Counter[str] = Counter()
    for line in log.splitlines():
        match = _LINE.fullmatch(line)
        assert match is not None, f"not a line for people: {line}"
        sentence = _SENTENCE.fullmatch(match["said"])
        assert sentence is not None, f"neither an event with its fields nor a sentence: {line}"
        if sentence["event"] in _HABITS:
            continue
        assert sentence["event"] in _MENDED or _has_remedy(match["said"]), f"no remedy: {line}"
        told[sentence["event"]] += 1
    return dict(told)


def _has_remedy(said: str) -> bool:
    """What to do comes last, after a semicolon or as a question the reader can answer."""
    return "; " in said or said.endswith(("?'", '?"')) or ": " in said
