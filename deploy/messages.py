"""What `andon tail` and `andon replay` do with a site's messages; neither touches the spool."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event

import msgspec

from collector.clocks.clock import MessageClock
from collector.decoder import Decoder
from collector.health.counters import Counters
from collector.sources.mqtt import MqttSource
from collector.sources.recording import Published, read_recording, recording_line
from collector.sources.source import Message
from deploy.publisher import Pace, Publisher, publish_all
from deploy.site import SiteFile


def tail_messages(site: SiteFile, stop: Event, *, count: int, record: Path | None) -> Iterator[str]:
    """One line a message: its topic, and what it decodes to or why it does not."""
    clock = MessageClock()
    decoder = site.decoder(clock)
    watching = msgspec.structs.replace(
        site.broker, client_id=f"{site.broker.client_id}-tail-{os.getpid()}", session_expiry_s=0
    )
    source = MqttSource(watching, decoder.filters, site.folder, clock, Counters())
    shown = 0
    try:
        while not stop.is_set() and (not count or shown < count):
            delivery = source.receive(count - shown if count else 1000, 0.2)
            for message in delivery.messages:
                yield _shown(decoder, message)
            if record is not None and delivery.messages:
                _append(record, delivery.messages)
            delivery.acknowledge()
            shown += len(delivery.messages)
    finally:
        source.close()


def replay_recording(
    site: SiteFile,
    recording: Path,
    speed: float | None,
    stop: Event,
    on_published: Callable[[int, int | None, int], None],
) -> int:
    """Publishes the file to the site's broker; returns how many messages the broker took. Raises AndonError."""
    total = sum(1 for _ in read_recording(recording))
    publisher = Publisher(site.broker, site.folder, f"{site.broker.client_id}-replay-{os.getpid()}")

    def note(message: Published) -> None:
        on_published(publisher.published, total, message.at_ns)

    publish_all(read_recording(recording), publisher, Pace(speed, stop), stop, on_message=note)
    publisher.finish(stop)
    return publisher.taken


def _shown(decoder: Decoder, message: Message) -> str:
    intake = decoder.decode([message])
    if intake.dead:
        return f"{message.topic} DEAD: {intake.dead[0].reason}"
    readings = ", ".join(f"{r.series.name} = {r.value:g} {r.series.unit_told}" for r, _ in intake.readings)
    return f"{message.topic} -> {readings or 'nothing'}"


def _append(record: Path, messages: Sequence[Message]) -> None:
    with record.open("a", encoding="utf-8") as file:
        for message in messages:
            file.write(recording_line(message.received_ns, message.topic, message.payload) + "\n")
