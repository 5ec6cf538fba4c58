"""The case folders of payload formats: `tests/cases/formats/<format>/<case>/`.

`options.toml`    `topic`, `[site]` and `[options]` (the format's own keys) of one [[subscribe]]
`messages.jsonl`  one message a line: `topic`, one of `payload` (JSON), `text`, `base64`, and `received_ns` (0 when left
                  out); the line `{"restart": true}` puts a new format in the old one's place by snapshot and restore
`expected.json`   one entry a message: `{"bad": sentence}`, or `{"readings": [[series, kind, unit, at_ns, value]]}` with
                  null for NaN and the quality as sixth where it is not GOOD, `signals` as they are, and
                  `gaps` as `[asset, cause, from_ns, to_ns, missing]`
"""

from __future__ import annotations

import base64
import json
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from collector import formats
from collector.config import Site
from collector.folder import names_in
from collector.formats.format import BadPayload, Decoded, Format
from collector.sources.source import Message
from collector.topics import TopicTemplate

FOLDER = Path(__file__).parents[1] / "cases" / "formats"
FORMATS = names_in(formats)


@dataclass(frozen=True)
class Case:
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.folder.parent.name}/{self.folder.name}"

    def build(self) -> Format:
        """A new format as the case's options describe it."""
        module = __import__(f"{formats.__name__}.{self.folder.parent.name}", fromlist=["build"])
        said = tomllib.loads((self.folder / "options.toml").read_text(encoding="utf-8"))
        options = msgspec.convert(said.get("options", {}), module.Options)
        built: Format = module.build(options, msgspec.convert(said["site"], Site), TopicTemplate(said["topic"]))
        return built

    def lines(self) -> list[Message | None]:
        """The messages in order, None for a restart."""
        text = (self.folder / "messages.jsonl").read_text(encoding="utf-8")
        return [_message(json.loads(line)) for line in text.splitlines() if line]

    def messages(self) -> list[Message]:
        return [line for line in self.lines() if line is not None]

    def expected(self) -> list[dict[str, Any]]:
        expected: list[dict[str, Any]] = json.loads((self.folder / "expected.json").read_text(encoding="utf-8"))
        return expected


def cases_of(format_name: str) -> list[Case]:
    return [Case(path) for path in sorted((FOLDER / format_name).glob("*")) if path.is_dir()]


CASES = [case for name in FORMATS for case in cases_of(name)]


def restarted(form: Format, case: Case) -> Format:
    """A new format that took up the memory of `form`."""
    fresh = case.build()
    fresh.restore(form.snapshot())
    return fresh


def said_by(form: Format, message: Message) -> dict[str, Any]:
    """What a format makes of a message, in the words of `expected.json`."""
    try:
        decoded = form.decode(message)
    except BadPayload as bad:
        return {"bad": str(bad)}
    return _told(decoded)


def _told(decoded: Decoded) -> dict[str, Any]:
    told: dict[str, Any] = {"readings": []}
    for series, at_ns, value, quality in decoded.readings:
        row = [series.name, str(series.kind), series.unit, at_ns, None if math.isnan(value) else value]
        told["readings"].append([*row, int(quality)] if quality else row)
    if decoded.signals:
        told["signals"] = json.loads(msgspec.json.encode(list(decoded.signals)))
    if decoded.gaps:
        told["gaps"] = [list(gap[:5]) for gap in decoded.gaps]
    return told


def _message(line: dict[str, Any]) -> Message | None:
    if line.get("restart"):
        return None
    if "base64" in line:
        payload = base64.b64decode(line["base64"])
    else:
        payload = (line["text"] if "text" in line else json.dumps(line["payload"])).encode()
    return Message(line["topic"], payload, line.get("received_ns", 0))
