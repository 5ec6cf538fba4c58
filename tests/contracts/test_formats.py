"""What every payload format promises. Formats are found by listing the folder, their options stand in case folders."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.formats.format import BadPayload, Format, ReadsWhole
from collector.intake import Columns, Intake
from collector.readings import Reading
from collector.sources.source import Message
from tests.contracts.format_cases import CASES, FORMATS, Case, cases_of, restarted, said_by

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.mark.parametrize("name", FORMATS)
def test_has_case_folders(name: str) -> None:
    assert cases_of(name), f"add tests/cases/formats/{name}/<case>/ with options.toml, messages.jsonl, expected.json"


@every_case
def test_decodes_its_cases(case: Case) -> None:
    form, said = case.build(), []
    for message in case.lines():
        if message is None:
            form = restarted(form, case)
        else:
            said.append(said_by(form, message))
    for message, told, expected in zip(case.messages(), said, case.expected(), strict=True):
        assert told == expected, message


@every_case
def test_a_restart_before_any_message_changes_nothing(case: Case) -> None:
    form, said = case.build(), []
    for message in case.messages():
        form = restarted(form, case)
        said.append(said_by(form, message))
    assert said == case.expected()


@every_case
@settings(max_examples=40)
@given(data=st.data())
def test_a_delivery_says_what_its_messages_say_one_by_one(case: Case, data: st.DataObject) -> None:
    one_by_one, whole = case.build(), case.build()
    if not isinstance(whole, ReadsWhole):
        return
    messages = [drawn(case, data) for _ in range(data.draw(st.integers(1, 8)))]
    wanted, got = Columns(), Columns()
    for message in messages * 2:
        with contextlib.suppress(BadPayload):
            wanted.add(one_by_one.decode(message).readings, message.received_ns)
    for delivery in (messages, messages):  # the second time, the topics are known
        for message in whole.decode_whole(delivery, got):
            with contextlib.suppress(BadPayload):
                got.add(whole.decode(message).readings, message.received_ns)
    assert Intake(lots=got.lots()).readings == Intake(lots=wanted.lots()).readings


def drawn(case: Case, data: st.DataObject) -> Message:
    """A message of the case: as it is, with another value in it, or torn."""
    message = data.draw(st.sampled_from(case.messages()))
    kind = data.draw(st.sampled_from(("as it is", "changed", "torn")))
    if kind == "changed":
        return message._replace(payload=changed(message.payload, data))
    return message._replace(payload=message.payload[: data.draw(st.integers(0, 40))]) if kind == "torn" else message


@every_case
@settings(max_examples=40)
@given(data=st.data())
def test_arbitrary_bytes_raise_nothing_but_bad_payload(case: Case, data: st.DataObject) -> None:
    payload = data.draw(st.binary(max_size=200))
    assert_only_bad_payload(case.build(), Message(data.draw(topics(case)), payload, data.draw(received())))


@every_case
@settings(max_examples=40)
@given(data=st.data())
def test_damaged_messages_raise_nothing_but_bad_payload(case: Case, data: st.DataObject) -> None:
    form = case.build()
    message = data.draw(st.sampled_from(case.messages()))
    at = data.draw(st.integers(0, max(0, len(message.payload) - 1)))
    junk = data.draw(st.binary(max_size=4))
    for payload in (message.payload[:at] + junk + message.payload[at + 1 :], message.payload[:at]):
        assert_only_bad_payload(form, message._replace(payload=payload, received_ns=data.draw(received())))


@every_case
@settings(max_examples=60)
@given(data=st.data())
def test_any_json_value_in_any_field_raises_nothing_but_bad_payload(case: Case, data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(case.messages()))
    payload = changed(message.payload, data)
    assert_only_bad_payload(case.build(), message._replace(payload=payload, received_ns=data.draw(received())))


HOSTILE = {
    "empty": b"",
    "invalid UTF-8": b'{"time": "\xff"}',
    "huge number": b'{"time": 1e400}',
    "huge integer": b'{"time": ' + b"9" * 5000 + b"}",
    "deep nesting": b'{"time":' * 200_000,
    "an array": b"[1, 2]",
    "NaN": b'{"time": NaN}',
    "lone surrogate": rb'{"time": "\ud800"}',
    "text after the end": b"{}{}",
}


@every_case
@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_hostile_payloads_raise_nothing_but_bad_payload(case: Case, payload: bytes) -> None:
    for message in case.messages():
        assert_only_bad_payload(case.build(), message._replace(payload=payload))


@pytest.mark.parametrize("case", [case for case in CASES if case.name.startswith("json_")], ids=lambda case: case.name)
@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_json_object_is_refused_by_topic_and_remedy(case: Case, payload: bytes) -> None:
    topic = case.messages()[0].topic
    with pytest.raises(BadPayload, match=r"not a JSON object .*: correct the sender") as bad:
        case.build().decode(Message(topic, payload, 0))
    assert topic in str(bad.value)


def topics(case: Case) -> st.SearchStrategy[str]:
    return st.sampled_from([message.topic for message in case.messages()]) | st.text(max_size=30)


def received() -> st.SearchStrategy[int]:
    return st.sampled_from((0, 1_720_730_486_000_000_000)) | st.integers(-1, 2**62)


def changed(payload: bytes, data: st.DataObject) -> bytes:
    """A payload with one of its fields replaced by any JSON value; as it is where it is no JSON object."""
    try:
        fields = json.loads(payload)
        name = data.draw(st.sampled_from(sorted(fields)))
        return json.dumps({**fields, name: data.draw(JSON)}).encode()
    except (ValueError, TypeError):
        return json.dumps(data.draw(JSON)).encode()


def assert_only_bad_payload(form: Format, message: Message) -> None:
    """Readings that could be stored, or a reason."""
    try:
        decoded = form.decode(message)
    except BadPayload as bad:
        assert len(str(bad)) > len("topic ")
        return
    for reading in decoded.readings:
        assert isinstance(reading, Reading)
        assert -(2**63) <= reading.at_ns < 2**63
        assert isinstance(reading.value, float)
        assert 0 <= reading.quality < 256
        reading.series.name.encode()
