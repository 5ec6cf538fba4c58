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
from collector.clocks.watch import ClockWatch, watch_for
from collector.config import ClockSettings, ConfigError, Document, Site, Subscription
from collector.folder import find
from collector.formats.format import BadPayload, Format, KnowsPlaces, ReadsWhole
from collector.intake import Columns, Intake, Lot
from collector.readings import Equipment
from collector.sources.source import Message
from collector.spool.dead import DeadLetter
from collector.topics import TopicTemplate
from collector.unread import Unread

log = logging.getLogger(__name__)

MOST_TOPICS = 100_000  # whose formats are kept ready; past that all are looked up anew


class Decoder:
    """The formats of a site behind their topics; the first subscription that matches a topic reads it."""

    def __init__(
        self, routes: Sequence[tuple[TopicTemplate, Format]], clock: Clock, clocks: ClockWatch | None = None
    ) -> None:
        self._routes = [(template.matcher(), form) for template, form in routes]
        self._formats = {f"{template.text} {type(form).__module__}": form for template, form in routes}
        self._clock = clock
        self.clocks = clocks or watch_for(clock, ClockSettings().offset_limit_s)
        self._known: dict[str, Format] = {}
        self._unread = Unread(self._place_of)
        self.filters = list(dict.fromkeys(template.filter for template, _ in routes))

    def decode(self, messages: Sequence[Message], *, is_settled: bool = True) -> Intake:
        """What a delivery came to; `is_settled` as the delivery says."""
        intake, columns = Intake(len(messages)), Columns()
        for form, own in self._by_format(messages, intake):
            rest = form.decode_whole(own, columns) if isinstance(form, ReadsWhole) else own
            for message in rest:
                _decode_one(form, message, columns, intake)
        intake.gaps += self._unread.gaps(messages, intake.dead)
        intake.lots = columns.lots()
        for lot in intake.lots:
            self._judge_times(lot, intake, is_settled)
        return intake

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode({name: form.snapshot() for name, form in self._formats.items()})

    def restore(self, memory: bytes) -> None:
        """Takes up what each subscription remembered; what no longer fits its format is dropped, and said to be."""
        for name, kept in (msgspec.msgpack.decode(memory, type=dict[str, bytes]) if memory else {}).items():
            if name in self._formats:
                try:
                    self._formats[name].restore(kept)
                except (msgspec.MsgspecError, ValueError) as error:
                    log.warning("memory.dropped subscription=%r reason=%r", name, str(error))

    def _by_format(self, messages: Sequence[Message], intake: Intake) -> Iterable[tuple[Format, Sequence[Message]]]:
        """The messages of each format, in order of arrival; those that no format reads are dead letters."""
        found: dict[Format, list[Message]] = {}
        for message in messages:
            form = self._known.get(message.topic) or self._format_of(message.topic)
            if form is None:
                reason = f"no [[subscribe]] reads topic {message.topic!r}: add one to site.toml"
                intake.dead.append(DeadLetter(message.topic, message.payload, reason, message.received_ns))
            elif form in found:
                found[form].append(message)
            else:
                found[form] = [message]
        return found.items()

    def _format_of(self, topic: str) -> Format | None:
        """What is worked out once for each topic: its format, None when there is none."""
        for pattern, form in self._routes:
            if pattern.fullmatch(topic):
                if len(self._known) >= MOST_TOPICS:
                    self._known.clear()
                self._known[topic] = form
                return form
        return None

    def _place_of(self, topic: str) -> Equipment | None:
        form = self._format_of(topic)
        return form.place(topic) if isinstance(form, KnowsPlaces) else None

    def _judge_times(self, lot: Lot, intake: Intake, is_settled: bool) -> None:
        """Flags the readings whose time cannot be right; the others move the site's clock."""
        judged = self.clocks.judge(
            lot.shard, lot.batch, is_settled=is_settled, place_of=lambda number: lot.series[number].equipment
        )
        lot.batch = judged.batch
        intake.gaps.extend(judged.gaps)
        if judged.latest_ns is not None:
            self._clock.saw(judged.latest_ns)


def _decode_one(form: Format, message: Message, columns: Columns, intake: Intake) -> None:
    """Adds what one message said; a message that cannot be read becomes a dead letter."""
    try:
        readings, gaps = form.decode(message)
    except BadPayload as bad:
        intake.dead.append(DeadLetter(message.topic, message.payload, str(bad), message.received_ns))
        return
    columns.add(readings, message.received_ns)
    intake.gaps.extend(gaps)


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
    return Decoder(routes, clock, watch_for(clock, limit_s))
