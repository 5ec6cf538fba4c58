"""Samples of messages from files: recordings, message files of test cases, and payloads as they are.

A recording's `at` and a message's `received_ns` are its receipt. A payload file is one message, received when the file
was written, whose topic is the file's name unless another is given.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from collector.errors import AndonError
from collector.formats.limits import Limits
from collector.sources.recording import read_recording
from collector.sources.source import Message

MOST_MESSAGES = 100_000  # of one sample; more say nothing new
MOST_BYTES = 256 * 2**20


class SampleError(AndonError):
    """A file is no sample; the sentence names it, and the remedy."""


class _Line(msgspec.Struct):
    """One line of a case's message file."""

    topic: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"")
    text: str | None = None
    base64: str | None = None
    received_ns: int = 0
    restart: bool = False


_line = msgspec.json.Decoder(_Line)


def read_samples(paths: Iterable[Path], topic: str = "") -> list[Message]:
    """The messages of all files in order, at most 100,000 or 256 MB of them. Raises AndonError."""
    found: list[Message] = []
    size = 0
    for path in paths:
        for message in _messages(path, topic):
            size += len(message.payload)
            if len(found) >= MOST_MESSAGES or size > MOST_BYTES:
                return found
            found.append(message)
    return found


def _messages(path: Path, topic: str) -> Iterator[Message]:
    try:
        if path.suffix != ".jsonl":
            if path.stat().st_size > Limits().max_message_bytes:
                raise SampleError(
                    f"{path}: is larger than a message may be (`limits.max_message_bytes` is "
                    f"{Limits().max_message_bytes}); name a .jsonl file for many messages"
                )
            yield Message(topic or path.name, path.read_bytes(), path.stat().st_mtime_ns)
        elif _is_recording(path):
            yield from (Message(one.topic, one.payload, one.at_ns) for one in read_recording(path))
        else:
            yield from _of_case(path)
    except OSError as error:
        raise SampleError(
            f"{path}: {error.strerror}; name a .jsonl file of messages, payload files, or an MQTT topic filter"
        ) from error


def _is_recording(path: Path) -> bool:
    with path.open("rb") as lines:
        return b'"at"' in lines.readline(2**20)[:20]


def _of_case(path: Path) -> Iterator[Message]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                said = _line.decode(line)
                if not said.restart:
                    yield Message(said.topic, _payload(said), said.received_ns)
            except ValueError as error:
                wanted = '{"at": seconds, "topic": ..., "payload": ...}, or "text" or "base64" for the payload'
                raise SampleError(f"{path} line {number}: {error}; a line is {wanted}") from error


def _payload(said: _Line) -> bytes:
    if said.base64 is not None:
        return base64.b64decode(said.base64, validate=True)
    return said.text.encode() if said.text is not None else bytes(said.payload)
