"""A trial of rules before anything is admitted: the real formats, built from the written text, read the sample.

Nothing is stored. What is told is what the collector would do with the same messages.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from collector.clocks.clock import MessageClock
from collector.config import ConfigError, Document, Site
from collector.decoder import decoder_of
from collector.formats.event_time import shown
from collector.formats.format import BadPayload
from collector.formats.limits import Limits
from collector.formats.numeral import looks_like_number
from collector.intake import Intake
from collector.readings import NS_PER_S, Reading
from collector.sources.source import Message
from collector.spool.dead import DeadLetter

MOST_UNREAD_RATIO = 0.05  # beyond it the rules do not read what they were made of
AHEAD_NS, BEHIND_NS = 300 * NS_PER_S, 86_400 * NS_PER_S  # past these a time is kept, and marked as one that cannot be
_AT_ONCE = 1_000
_PATIENCE_NS = 3_600 * NS_PER_S
_MOST_REASONS = 20


class SeriesTold(msgspec.Struct, kw_only=True):
    """One series of the sample. Instants are event time, UTC ns; a value that is not known is None."""

    name: str
    kind: str
    unit: str
    readings: int
    first: float | None
    last: float | None
    from_ns: int
    to_ns: int


class Unread(msgspec.Struct):
    """Messages that would be dead letters, by topic and reason; the first of them as a sample of the reason."""

    topic: str
    reason: str
    messages: int


class ValueLeftOut(msgspec.Struct):
    """A tag whose values were left out, of one topic, and how often."""

    topic: str
    name: str
    values: int


class Trial(msgspec.Struct, kw_only=True):
    """What the rules make of the sample. `ahead`, `behind`: readings whose time is far from their receipt.

    `signals`: what was said of stocks and orders. `silent_messages`: those that were read and said nothing. `left_out`:
    values that are no numbers and that no rule describes.
    """

    messages: int
    unread_messages: int
    silent_messages: int
    readings: int
    series: list[SeriesTold]
    unread: list[Unread]
    left_out: list[ValueLeftOut]
    ahead: int
    behind: int
    gaps: int
    signals: int

    @property
    def unread_ratio(self) -> float:
        return self.unread_messages / self.messages if self.messages else 1.0

    @property
    def is_fit(self) -> bool:
        return bool(self.messages) and self.unread_ratio <= MOST_UNREAD_RATIO


def read_by(text: str, site: Site, messages: Sequence[Message]) -> Intake:
    """What the collector would make of the messages under these rules. Raises ConfigError for rules that are wrong."""
    tables = tomllib.loads(text)
    if not tables.get("subscribe"):
        return _unrecognised(messages)
    whole = Intake(len(messages))
    decoder = decoder_of(Document(Path("proposed rules"), tables), site, MessageClock())
    latest_ns = max((message.received_ns for message in messages), default=0)
    lots: list[Sequence[Message]] = [messages[at : at + _AT_ONCE] for at in range(0, len(messages), _AT_ONCE)]
    for lot in [*lots, []]:  # the last, so that what waits for others waits no longer
        came = decoder.decode(lot, now_ns=None if lot else latest_ns + _PATIENCE_NS)
        whole.lots += came.lots
        whole.dead += came.dead
        whole.gaps += came.gaps
        whole.signals += came.signals
        whole.silent += came.silent
        whole.left_out += came.left_out
    return whole


def _unrecognised(messages: Sequence[Message]) -> Intake:
    """Dead letters, each with why no format could recognise it: a limit that it breaks, where it does."""
    whole = Intake(len(messages))
    for message in messages:
        whole.dead += _all_dead([message], _why_unrecognised(message)).dead
    return whole


def _why_unrecognised(message: Message) -> str:
    try:
        Limits().check_payload(message)
    except BadPayload as bad:
        return str(bad)
    if not message.payload.strip():
        return f"topic {message.topic}: the message is empty: have the sender publish a value"
    if looks_like_number(text := message.payload.decode("utf-8", "replace")):
        return f"topic {message.topic}: {shown(text)} is no number as JSON writes it: correct the sender"
    return "no format recognises it: name one in [[subscribe]] and describe its fields there"


def _all_dead(messages: Sequence[Message], reason: str) -> Intake:
    letters = [DeadLetter(topic, payload, reason, received_ns) for topic, payload, received_ns in messages]
    return Intake(len(messages), dead=letters)


def tried(text: str, site: Site, messages: Sequence[Message]) -> Trial:
    """The trial of the rules. With rules that a format refuses nothing is read, for the reason it gives."""
    try:
        intake = read_by(text, site, messages)
    except ConfigError as error:
        intake = _all_dead(messages, str(error))
    series: dict[str, SeriesTold] = {}
    ahead = behind = 0
    for reading, received_ns in intake.readings:
        _tell(series, reading)
        if received_ns:
            ahead += reading.at_ns - received_ns > AHEAD_NS
            behind += received_ns - reading.at_ns > BEHIND_NS
    return Trial(
        messages=len(messages),
        unread_messages=len(intake.dead),
        silent_messages=intake.silent,
        readings=len(intake),
        series=list(series.values()),
        unread=_unread(intake),
        left_out=[ValueLeftOut(*key, times) for key, times in intake.left_out.most_common()],
        ahead=ahead,
        behind=behind,
        gaps=len(intake.gaps),
        signals=len(intake.signals),
    )


def _tell(series: dict[str, SeriesTold], reading: Reading) -> None:
    one, at_ns = reading.series, reading.at_ns
    value = None if math.isnan(reading.value) else reading.value
    told = series.get(one.name)
    if told is None:
        series[one.name] = SeriesTold(
            name=one.name,
            kind=str(one.kind),
            unit=one.unit,
            readings=1,
            first=value,
            last=value,
            from_ns=at_ns,
            to_ns=at_ns,
        )
        return
    told.readings += 1
    told.last = value
    told.from_ns, told.to_ns = min(told.from_ns, at_ns), max(told.to_ns, at_ns)


def _unread(intake: Intake) -> list[Unread]:
    """The dead letters, most first; of one topic and the same words once."""
    found: dict[tuple[str, str], Unread] = {}
    for letter in intake.dead:
        key = letter.topic, "".join(word for word in letter.reason if not word.isdigit())
        found.setdefault(key, Unread(letter.topic, letter.reason, 0)).messages += 1
    return sorted(found.values(), key=lambda one: -one.messages)[:_MOST_REASONS]
