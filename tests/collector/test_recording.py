"""A recording gives every message back as it was, byte for byte; a file that is none is named by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.readings import NS_PER_S
from collector.sources.recording import Published, RecordingError, read_recording, recording_line

AT_NS = 1_720_730_486_250 * (NS_PER_S // 1000)
PAYLOADS = {
    "JSON": b'{"time":1720730486,"level":326.9929496879463}',
    "JSON with spaces": b'{"time": 1, "level": 1.50}',
    "a number": b"12.50",
    "a large integer": b"9" * 40,
    "a key twice": b'{"a":1,"a":2}',
    "NaN": b'{"level":NaN}',
    "infinity": b"-Infinity",
    "huge number": b"1e400",
    "two lines": b'{\n  "level": 1\n}',
    "spaces around": b" 1 ",
    "nothing": b"",
    "no UTF-8": b'{"name":"\xff"}',
    "bytes": bytes(range(256)),
    "lone surrogate": rb'{"name":"\ud800"}',
    "deep nesting": b"[" * 5000 + b"]" * 5000,
    "named base64": b'{"base64":"aGVsbG8="}',
    "named base64, spaced": b'{ "base64" : "aGVsbG8=" }',
    "named base64, escaped": rb'{"\u0062ase64":"aGVsbG8="}',
    "base64 of a number": b'{"base64":5}',
    "base64 and more": b'{"base64":"aGVsbG8=","time":1}',
    "in a list": b'[{"base64":"aGVsbG8="}]',
}

LIKE_JSON = st.text(alphabet='{}[]":,base64\\u0 \n\t.eE+-NaInf', max_size=40).map(str.encode)


def again(folder: Path, *messages: Published) -> list[Published]:
    path = folder / "recording.jsonl"
    path.write_text("".join(recording_line(*message) + "\n" for message in messages), encoding="utf-8")
    return list(read_recording(path))


def of_lines(folder: Path, *lines: str) -> list[bytes]:
    path = folder / "recording.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    return [message.payload for message in read_recording(path)]


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_every_payload_comes_back_as_it_was(tmp_path: Path, payload: bytes) -> None:
    message, after = Published(AT_NS, 'rig/"a"/ü', payload), Published(AT_NS + NS_PER_S, "rig/b", b"1")
    assert again(tmp_path, message, after) == [message, after]


@given(
    payload=st.binary(max_size=60) | st.text(alphabet='{}[]":,base64\\u0 \n\t.eE+-NaInf', max_size=40).map(str.encode)
)
def test_any_bytes_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, payload: bytes) -> None:
    message = Published(AT_NS, "rig/a", payload)
    assert again(tmp_path_factory.mktemp("recording"), message) == [message]


def test_json_stays_readable_in_the_file() -> None:
    assert (
        recording_line(AT_NS, "rig/a", b'{"level":1}') == '{"at":1720730486.25,"topic":"rig/a","payload":{"level":1}}'
    )


def test_an_object_that_only_looks_encoded_is_a_payload(tmp_path: Path) -> None:
    lines = [f'{{"at":1,"topic":"a","payload":{payload}}}' for payload in ('{"base64":5}', '{"base64":"YQ==","b":1}')]
    assert of_lines(tmp_path, *lines) == [b'{"base64":5}', b'{"base64":"YQ==","b":1}']


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        '{"at":1,"topic":"a"}',
        '{"at":"noon","topic":"a","payload":1}',
        '{"at":1,"topic":"a","payload":NaN}',
        '{"at":1,"topic":"a","payload":{"base64":"%%%"}}',
        '{"at":1,"topic":"a","payload":{"base64":"YQ"}}',
        '{"at":1,"topic":"a","payload":{"base64":"ü"}}',
        '{"at":1e308,"topic":"a","payload":1}',
        f'{{"at":1,"topic":"a","payload":{"[" * 200_000}',
    ],
    ids=lambda line: line[:60],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(RecordingError, match=r'recording\.jsonl line 2: .*; a line is \{"at": seconds, "topic"'):
        of_lines(tmp_path, '{"at":1,"topic":"a","payload":1}', line)
