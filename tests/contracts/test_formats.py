"""What every payload format promises. Formats are found by listing the folder, their options stand in case folders."""

from __future__ import annotations

import contextlib
import importlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import formats
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
every_format = pytest.mark.parametrize("name", FORMATS)
READING_WHOLE = [case for case in CASES if isinstance(case.build(), ReadsWhole)]
READING_OBJECTS = [case for name in ("json_fields", "json_rules") for case in cases_of(name)]


@every_format
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


@pytest.mark.parametrize("case", READING_WHOLE, ids=lambda case: case.name)
@settings(max_examples=40)
@given(data=st.data())
def test_a_delivery_says_what_its_messages_say_one_by_one(case: Case, data: st.DataObject) -> None:
    one_by_one, whole = case.build(), case.build()
    assert isinstance(whole, ReadsWhole)
    messages = [drawn(case, data) for _ in range(data.draw(st.integers(1, 8)))]
    wanted, got = Columns(), Columns()
    for message in messages * 2:
        with contextlib.suppress(BadPayload):
            wanted.add(one_by_one.decode(message).readings, message.received_ns)
    for delivery in (messages, messages):  # the second time, the topics are known
        for message in whole.decode_whole(delivery, got):
            with contextlib.suppress(BadPayload):
                got.add(whole.decode(message).readings, message.received_ns)
    assert repr(Intake(lots=got.lots()).readings) == repr(Intake(lots=wanted.lots()).readings)  # NaN is not NaN


def drawn(case: Case, data: st.DataObject) -> Message:
    """A message of the case: as it is, with another value in it, or torn."""
    message = data.draw(st.sampled_from(case.messages()))
    kind = data.draw(st.sampled_from(("as it is", "changed", "torn")))
    if kind == "changed":
        return message._replace(payload=changed(message.payload, data))
    return message._replace(payload=message.payload[: data.draw(st.integers(0, 40))]) if kind == "torn" else message


@every_format
@settings(max_examples=60)
@given(data=st.data())
def test_arbitrary_bytes_raise_nothing_but_bad_payload(name: str, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(cases_of(name)))
    payload = data.draw(st.binary(max_size=200))
    assert_only_bad_payload(case.build(), Message(data.draw(topics(case)), payload, data.draw(received())))


@every_format
@settings(max_examples=60)
@given(data=st.data())
def test_damaged_messages_raise_nothing_but_bad_payload(name: str, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(cases_of(name)))
    form = case.build()
    message = data.draw(st.sampled_from(case.messages()))
    at = data.draw(st.integers(0, max(0, len(message.payload) - 1)))
    junk = data.draw(st.binary(max_size=4))
    for payload in (message.payload[:at] + junk + message.payload[at + 1 :], message.payload[:at]):
        assert_only_bad_payload(form, message._replace(payload=payload, received_ns=data.draw(received())))


@every_format
@settings(max_examples=50)
@given(data=st.data())
def test_any_json_value_in_any_field_raises_nothing_but_bad_payload(name: str, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(cases_of(name)))
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
    "digits without end": b"m f=" + b"1" * 200_000 + b"x",
    "columns without end": b"a," * 100_000 + b"\n" + b"1," * 100_000,
}


@every_case
def test_hostile_payloads_raise_nothing_but_bad_payload(case: Case) -> None:
    form = case.build()
    for topic in {message.topic for message in case.messages()}:
        for payload in HOSTILE.values():
            assert_only_bad_payload(form, Message(topic, payload, 0))


@pytest.mark.parametrize("case", READING_OBJECTS, ids=lambda case: case.name)
@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_json_object_is_refused_by_topic_and_remedy(case: Case, payload: bytes) -> None:
    topic = case.messages()[0].topic
    with pytest.raises(BadPayload, match=r"not a JSON object .*: correct the sender") as bad:
        case.build().decode(Message(topic, payload, 0))
    assert topic in str(bad.value)


# Formats that no payload gives away: any object may be theirs, or the topic alone tells.
UNRECOGNISED = {"forwarded", "json_fields", "json_rules", "sparkplug_b"}
DIALECTS = [name for name in FORMATS if name not in UNRECOGNISED]
GENERIC = (b'{"a": {"b": 1}}', b"[1, 2]", b"{}", b"[]", b"[{}]", b'{"items": []}', b'{"values": {}}', b"", b'"')
every_dialect = pytest.mark.parametrize("name", DIALECTS)


def fits(name: str, message: Message) -> float:
    """How surely the dialect says that a message is its own."""
    module = importlib.import_module(f"{formats.__name__}.{name}")
    surety: float = module.fits(message)
    return surety


@every_dialect
def test_a_dialect_recognises_messages_of_its_own(name: str) -> None:
    read = [
        message
        for case in cases_of(name)
        for message, expected in zip(case.messages(), case.expected(), strict=True)
        if "bad" not in expected
    ]
    assert max((fits(name, message) for message in read), default=0) >= 0.8


@every_dialect
@pytest.mark.parametrize("payload", (*GENERIC, *HOSTILE.values()), ids=lambda payload: repr(payload[:20]))
def test_what_any_sender_could_send_is_of_no_dialect(name: str, payload: bytes) -> None:
    assert fits(name, Message("plant/press/x", payload, 0)) == 0


@every_dialect
def test_torn_json_is_of_no_dialect(name: str) -> None:
    torn = [message for case in CASES for message in case.messages() if is_torn_json(message.payload)]
    assert len(torn) >= len(DIALECTS) / 2
    assert [message for message in torn if fits(name, message)] == []


@every_dialect
@settings(max_examples=60)
@given(topic=st.text(max_size=30) | st.just("f/i/stock"), payload=st.binary(max_size=200) | JSON.map(json.dumps))
def test_any_message_is_judged_between_0_and_1(name: str, topic: str, payload: bytes | str) -> None:
    said = payload.encode() if isinstance(payload, str) else payload
    assert 0 <= fits(name, Message(topic, said, 0)) <= 1


def is_torn_json(payload: bytes) -> bool:
    try:
        json.loads(payload)
    except (ValueError, RecursionError):
        return payload[:1] in (b"{", b"[")
    return False


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
