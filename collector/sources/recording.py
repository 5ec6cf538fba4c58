"""A recorded message file: one JSON object a line, `{"at": epoch seconds, "topic": ..., "payload": ...}`.

`payload` is the message's JSON, byte for byte, or `{"base64": ...}` for all else: no strict JSON, more than one line,
or an object that itself has `base64` as its only key. `at` is read to the millisecond. `andon tail --record` writes
such files; `andon replay` publishes them, and `replay.ReplaySource` reads them without a broker.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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


class _Encoded(msgspec.Struct, forbid_unknown_fields=True):
    base64: str


_decoder = msgspec.json.Decoder(_Line)
_encoded_decoder = msgspec.json.Decoder(_Encoded)


def read_recording(path: Path) -> Iterator[Published]:
    """The messages of a file in its order. Raises RecordingError."""
    try:
        lines = path.open("rb")
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}; name a recorded message file (.jsonl)") from error
    with lines:
        for number, line in enumerate(lines, start=1):
            try:
                message = _message(line)
            except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
                wanted = '{"at": seconds, "topic": "...", "payload": ...}'
                raise RecordingError(f"{path} line {number}: {error}; a line is {wanted}") from error
            yield message


def recording_line(at_ns: int, topic: str, payload: bytes) -> str:
    """One message as a line of a recording, which `read_recording` reads as the same bytes."""
    if _stands_for_itself(payload):
        body = payload.decode()
    else:
        body = msgspec.json.encode(_Encoded(base64.b64encode(payload).decode("ascii"))).decode()
    return f'{{"at":{at_ns / NS_PER_S!r},"topic":{msgspec.json.encode(topic).decode()},"payload":{body}}}'


def _stands_for_itself(payload: bytes) -> bool:
    """Whether a payload may stand in a line as it is: strict JSON on one line, not mistaken for encoded bytes."""
    try:
        said = msgspec.json.decode(payload)
        payload.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    is_one_line = payload == payload.strip() and not {*b"\r\n"} & {*payload}
    return is_one_line and not (isinstance(said, dict) and said.keys() == {"base64"})


def _message(line: bytes) -> Published:
    at, topic, payload = msgspec.structs.astuple(_decoder.decode(line))
    return Published(round(at * 1000) * (NS_PER_S // 1000), topic, _payload(bytes(payload)))


def _payload(raw: bytes) -> bytes:
    """The bytes a line's payload stands for. Raises ValueError where they are said to be base64 and are not."""
    if b"base64" not in raw:
        return raw
    try:
        encoded = _encoded_decoder.decode(raw)
    except msgspec.MsgspecError:
        return raw
    return base64.b64decode(encoded.base64, validate=True)
