"""A recorded message file: one JSON object a line, `{"at": epoch seconds, "topic": ..., "payload": ...}`.

`payload` is the message's JSON, or `{"base64": ...}` where it was not JSON. `andon tail --record` writes such files;
`andon replay` publishes them, and `replay.ReplaySource` reads them without a broker.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from collector.errors import AndonError
from collector.readings import NS_PER_S


class Published(NamedTuple):
    """A message and the instant (UTC ns, event time) at which it goes out."""

    at_ns: int
    topic: str
    payload: bytes


class RecordingError(AndonError):
    """The file cannot be read as a recording; the sentence names file and line."""


class _Line(msgspec.Struct):
    at: float
    topic: str
    payload: msgspec.Raw


_decoder = msgspec.json.Decoder(_Line)


def read_recording(path: Path) -> Iterator[Published]:
    """The messages of a file in its order. Raises RecordingError."""
    try:
        lines = path.open("rb")
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}; name a recorded message file (.jsonl)") from error
    with lines:
        for number, line in enumerate(lines, start=1):
            try:
                at, topic, payload = msgspec.structs.astuple(_decoder.decode(line))
            except msgspec.MsgspecError as error:
                wanted = '{"at": seconds, "topic": "...", "payload": ...}'
                raise RecordingError(f"{path} line {number}: {error}; a line is {wanted}") from error
            yield Published(round(at * 1000) * (NS_PER_S // 1000), topic, _payload(bytes(payload)))


def recording_line(at_ns: int, topic: str, payload: bytes) -> str:
    """One message as a line of a recording."""
    try:
        body: Any = json.loads(payload)
    except ValueError:
        body = {"base64": base64.b64encode(payload).decode("ascii")}
    return json.dumps({"at": at_ns / NS_PER_S, "topic": topic, "payload": body}, separators=(",", ":"))


def _payload(raw: bytes) -> bytes:
    if raw.startswith(b'{"base64":'):
        return base64.b64decode(json.loads(raw)["base64"])
    return raw
