"""From messages to what is stored: readings by line, dead letters and gaps, each message to the format of its topic.

Input: `Message`s of a Delivery. Output: an `Intake`, which `collector.pump` appends in one transaction together with
the formats' memory. Pure but for that memory.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from collector import formats
from collector.clock import Clock
from collector.config import ConfigError, Document, Site, Subscription
from collector.folder import find
from collector.formats.format import BadPayload, Format
from collector.readings import NS_PER_S, BatchBuilder, Quality, Reading
from collector.sources.source import Message
from collector.spool.dead import DeadLetter
from collector.spool.frames import Frame, batch_frame
from collector.spool.ledger import Cause, Gap
from collector.spool.series import SeriesCatalog
from collector.topics import TopicTemplate

log = logging.getLogger(__name__)

CLOCK_AHEAD_NS = 300 * NS_PER_S  # a reading further ahead of the site's clock than this has a wrong time


@dataclass(slots=True)
class Intake:
    """What a delivery came to: `readings` in order of arrival with their receive times, `dead`, `gaps`."""

    messages: int = 0
    readings: list[tuple[Reading, int]] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def frames(self, catalog: SeriesCatalog) -> list[Frame]:
        """One batch a line; registers new series, so call it inside the transaction that stores the frames."""
        builders: dict[str, BatchBuilder] = {}
        for (series, at_ns, value, quality), received_ns in self.readings:
            builder = builders.setdefault(series.equipment.shard, BatchBuilder())
            builder.add(catalog.id_of(series), at_ns, value, quality, received_ns)
        return [batch_frame(shard, builder.build()) for shard, builder in builders.items()]


class Decoder:
    """The formats of a site behind their topics; the first subscription that matches a topic reads it."""

    def __init__(self, routes: Sequence[tuple[TopicTemplate, Format]], clock: Clock) -> None:
        self._routes = [(template.matcher(), form) for template, form in routes]
        self._formats = {f"{template.text} {type(form).__module__}": form for template, form in routes}
        self._clock = clock
        self.filters = list(dict.fromkeys(template.filter for template, _ in routes))

    def decode(self, messages: Iterable[Message]) -> Intake:
        intake = Intake()
        for message in messages:
            intake.messages += 1
            try:
                readings, gaps = self._format_of(message.topic).decode(message)
            except BadPayload as bad:
                intake.dead.append(DeadLetter(message.topic, message.payload, str(bad), message.received_ns))
                continue
            intake.readings.extend((self._timed(reading, message), message.received_ns) for reading in readings)
            intake.gaps.extend(gaps)
        intake.gaps.extend(_clock_gaps(intake.readings))
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

    def _format_of(self, topic: str) -> Format:
        for pattern, form in self._routes:
            if pattern.fullmatch(topic):
                return form
        raise BadPayload(f"no [[subscribe]] reads topic {topic!r}: add one to site.toml")

    def _timed(self, reading: Reading, message: Message) -> Reading:
        """The reading, flagged when its time cannot be right: well ahead of the site's clock."""
        if reading.at_ns - max(message.received_ns, self._clock.now_ns()) > CLOCK_AHEAD_NS:
            return reading._replace(quality=Quality.CLOCK)
        self._clock.saw(reading.at_ns)
        return reading


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
    return Decoder(routes, clock)


def _clock_gaps(readings: Sequence[tuple[Reading, int]]) -> list[Gap]:
    """One entry per equipment whose readings were kept out of the detectors for their time."""
    wrong: dict[str, list[int]] = {}
    for reading, received_ns in readings:
        if reading.quality == Quality.CLOCK:
            wrong.setdefault(reading.series.equipment.path, []).append(received_ns)
    note = "readings ahead of the site's clock; check the device's clock"
    return [Gap(asset, Cause.CLOCK, min(at), max(at), len(at), note) for asset, at in wrong.items()]
