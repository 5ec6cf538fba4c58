"""From messages to what is stored: readings by line, dead letters and gaps, each message to the format of its topic.

Input: `Message`s of a Delivery. Output: a `collector.intake.Intake`, which `collector.pump` appends in one transaction
together with the formats' memory. Pure but for that memory.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence

import msgspec

from collector import formats
from collector.clocks.clock import Clock
from collector.clocks.watch import ClockWatch, as_history, watch_for
from collector.config import ClockSettings, ConfigError, Document, Site, Subscription
from collector.folder import find
from collector.formats.format import (
    BadPayload,
    Format,
    Gauges,
    KeepsTime,
    KnowsPlaces,
    ReadsWhole,
    RemembersInParts,
    SpeaksForCollectors,
)
from collector.formats.limits import SHORT_BYTES, Limits, check_topic, short_reason
from collector.intake import Columns, Intake, Lot, Signalled
from collector.inventory.signals import Signal
from collector.inventory.timing import judged_in_time
from collector.memory import Memory
from collector.readings import Equipment, Series
from collector.schema import OWN_LINES
from collector.sources.source import Message
from collector.spool.dead import DeadLetter
from collector.topics import TopicTemplate
from collector.unread import Unread

log = logging.getLogger(__name__)

_PART = "\n"  # between a subscription's name and that of a part of its memory
MOST_SERIES = 100_000  # known to be of no line of Andon's own; past that all are looked at anew
MOST_TOPICS = 100_000  # whose formats are kept ready; past that all are looked up anew


class Decoder:
    """The formats of a site behind their topics; the first subscription that matches a topic reads it."""

    def __init__(
        self,
        routes: Sequence[tuple[TopicTemplate, Format]],
        clock: Clock,
        clocks: ClockWatch | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._routes = [(template.matcher(), form) for template, form in routes]
        self._formats = {f"{template.text} {type(form).__module__}": form for template, form in routes}
        self._timekeepers = [form for form in self._formats.values() if isinstance(form, KeepsTime)]
        self._clock = clock
        self._limits = limits or Limits()
        self.clocks = clocks or watch_for(clock, ClockSettings().offset_limit_s)
        self._known: dict[str, Format] = {}
        self._senders: set[Series] = set()  # series that senders may fill
        self._unread = Unread(self._place_of)
        self.filters = list(dict.fromkeys(template.filter for template, _ in routes))

    def decode(
        self,
        messages: Sequence[Message],
        *,
        is_settled: bool = True,
        is_history: bool = False,
        now_ns: int | None = None,
    ) -> Intake:
        """What a delivery came to, and what was due without a message by `now_ns` (None: no time passes).

        `is_settled` and `is_history` as the delivery says.
        """
        intake, columns = Intake(len(messages)), Columns()
        for form, own in self._by_format(messages, intake):
            rest = form.decode_whole(own, columns) if isinstance(form, ReadsWhole) else own
            for message in rest:
                self._decode_one(form, message, columns, intake)
        if now_ns is not None:
            for keeper in self._timekeepers:
                _add_due(keeper, now_ns, columns, intake)
        intake.gaps += self._unread.gaps(messages, intake.dead)
        intake.lots = columns.lots()
        for lot in intake.lots:
            lot.batch = as_history(lot.batch) if is_history else lot.batch
            self._judge_times(lot, intake, is_settled)
        return intake

    def reads(self, topic: str) -> bool:
        """Whether a [[subscribe]] matches a topic, and may."""
        try:
            return self._format_of(topic) is not None
        except BadPayload:
            return False

    def snapshot(self) -> Memory:
        """What must survive a restart, by name: a part where a format remembers in parts, else its whole."""
        memory: dict[str, bytes] = {}
        for name, form in self._formats.items():
            if isinstance(form, RemembersInParts):
                memory.update({f"{name}{_PART}{part}": kept for part, kept in form.parts().items()})
            else:
                memory[name] = form.snapshot()
        return memory

    def restore(self, memory: Memory) -> None:
        """Takes up what each subscription remembered; what no longer fits its format is dropped, and said to be."""
        parts: dict[str, dict[str, bytes]] = {name: {} for name in self._formats}
        for name, kept in memory.items():
            whose, _, part = name.partition(_PART)
            parts.get(whose, {})[part] = kept
        for name, form in self._formats.items():
            try:
                if isinstance(form, RemembersInParts):
                    form.restore_parts(parts[name])
                elif "" in parts[name]:
                    form.restore(parts[name][""])
            except (msgspec.MsgspecError, ValueError) as error:
                log.warning("memory.dropped subscription=%r reason=%r", name, str(error))

    def gauges(self) -> dict[str, float]:
        """What the formats and the watch over the clocks count."""
        sums: dict[str, float] = {}
        for form in self._formats.values():
            if isinstance(form, Gauges):
                for name, value in form.gauges().items():
                    sums[name] = sums.get(name, 0.0) + value
        return {**self.clocks.gauges(), **sums}

    def _by_format(self, messages: Sequence[Message], intake: Intake) -> Iterable[tuple[Format, Sequence[Message]]]:
        """The messages of each format, in order of arrival; those that no format reads are dead letters."""
        found: dict[Format, list[Message]] = {}
        for message in messages:
            try:
                if len(message.payload) > SHORT_BYTES:
                    self._limits.check_payload(message)
                form = self._known.get(message.topic) or self._format_of(message.topic)
            except BadPayload as bad:
                intake.dead.append(_letter(message, str(bad)))
                continue
            if form is None:
                reason = f"no [[subscribe]] reads topic {message.topic!r}: add one to site.toml"
                intake.dead.append(_letter(message, reason))
            elif form in found:
                found[form].append(message)
            else:
                found[form] = [message]
        return found.items()

    def _format_of(self, topic: str) -> Format | None:
        """What is worked out once for each topic: its format, None when there is none. Raises BadPayload."""
        check_topic(topic)
        for pattern, form in self._routes:
            if pattern.fullmatch(topic):
                if isinstance(form, KnowsPlaces) and not isinstance(form, SpeaksForCollectors):
                    _check_line(topic, form.place(topic))
                if len(self._known) >= MOST_TOPICS:
                    self._known.clear()
                self._known[topic] = form
                return form
        return None

    def _place_of(self, topic: str) -> Equipment | None:
        try:
            form = self._format_of(topic)
        except BadPayload:
            return None
        return form.place(topic) if isinstance(form, KnowsPlaces) else None

    def _decode_one(self, form: Format, message: Message, columns: Columns, intake: Intake) -> None:
        """Adds what one message said; a message that cannot be read becomes a dead letter."""
        try:
            decoded = form.decode(message)
            self._limits.check_decoded(message, decoded)
            if not self._senders.issuperset(decoded.readings.series):
                self._admit(form, message.topic, decoded.readings.series)
        except BadPayload as bad:
            intake.dead.append(_letter(message, str(bad)))
            return
        if decoded.left_out:
            intake.left_out.update((message.topic, name) for name in decoded.left_out)
        if not (decoded.readings.series or decoded.gaps or decoded.signals or decoded.is_waiting):
            intake.silent += 1
            return
        columns.add(decoded.readings, message.received_ns)
        intake.gaps.extend(decoded.gaps)
        self._take_signals(decoded.signals, message, intake)

    def _admit(self, form: Format, topic: str, series: Sequence[Series]) -> None:
        """Takes up series that were not seen before. Raises BadPayload where they are of a line of Andon's own."""
        if isinstance(form, SpeaksForCollectors):
            return
        for one in series:
            _check_line(topic, one.equipment)
        if len(self._senders) >= MOST_SERIES:
            self._senders.clear()
        self._senders.update(series)

    def _take_signals(self, signals: Sequence[Signal], message: Message, intake: Intake) -> None:
        """Of stocks and orders, a time that cannot be yet becomes that of the receipt; the others move the clock."""
        for signal in signals:
            judged, gap = judged_in_time(signal, message.received_ns)
            intake.signals.append(Signalled(judged, message))
            if gap is None:
                self._clock.saw(judged.at_ns)
            else:
                intake.gaps.append(gap)

    def _judge_times(self, lot: Lot, intake: Intake, is_settled: bool) -> None:
        """Flags the readings whose time cannot be right; the others move the site's clock."""
        judged = self.clocks.judge(
            lot.shard, lot.batch, is_settled=is_settled, place_of=lambda number: lot.series[number].equipment
        )
        lot.batch = judged.batch
        intake.gaps.extend(judged.gaps)
        if judged.latest_ns is not None:
            self._clock.saw(judged.latest_ns)


def _check_line(topic: str, place: Equipment | None) -> None:
    """Raises BadPayload for a place on a line that Andon fills itself."""
    if place is not None and place.line in OWN_LINES:
        raise BadPayload(
            f"topic {topic}: `{place.line}` is Andon's own line, which no sender may fill: "
            "map the topic to another line in site.toml"
        )


def _letter(message: Message, reason: str) -> DeadLetter:
    return DeadLetter(message.topic, message.payload, short_reason(reason), message.received_ns)


def _add_due(keeper: KeepsTime, now_ns: int, columns: Columns, intake: Intake) -> None:
    """Adds what time alone brought."""
    readings, gaps, dead, says = keeper.due(now_ns)
    columns.add(readings, now_ns)
    intake.gaps.extend(gaps)
    intake.dead.extend(dead)
    intake.says.extend(says)


def decoder_of(document: Document, site: Site, clock: Clock) -> Decoder:
    """The decoder a site.toml describes. Raises ConfigError: unknown format, bad option, bad topic."""
    routes = []
    subscriptions = document.open_sections("subscribe", Subscription)
    if not subscriptions:
        raise ConfigError(f"{document.path}: no [[subscribe]]: say which topics to read and in which format")
    for i, subscription in enumerate(subscriptions):
        if any(subscription.topic == earlier.topic for earlier in subscriptions[:i]):
            where = f"{document.path}: `subscribe[{i}].topic`"
            raise ConfigError(f"{where}: {subscription.topic!r} is read twice; remove one")
        module = find(formats, subscription.format, document, f"subscribe[{i}].format")
        options = document.convert(subscription.options, module.Options, f"subscribe[{i}]")
        try:
            template = TopicTemplate(subscription.topic)
            routes.append((template, module.build(options, site, template)))
        except (ValueError, re.error) as error:
            raise ConfigError(f"{document.path}: `subscribe[{i}]`: {error}; correct it") from error
    limit_s = document.section("clock", ClockSettings).offset_limit_s
    return Decoder(routes, clock, watch_for(clock, limit_s), document.section("limits", Limits))
