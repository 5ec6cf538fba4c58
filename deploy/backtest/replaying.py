"""What a site once read, once more through detectors, without a broker: into a spool of its own, as fast as it goes.

Input: a recording, a simulated plant, or the spool of a site. Output: a spool that holds the readings and what the
detectors said of them. The plant's own time is the only clock, so a run says the same every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Event
from typing import NamedTuple

import msgspec
import numpy as np

from collector.clocks.clock import PlantClock
from collector.health.counters import Counters
from collector.pump import Appender
from collector.readings import NS_PER_S, Batch
from collector.retention import Retention
from collector.schema import SELF_LINE
from collector.sources.recording import Published
from collector.sources.source import Message
from collector.spool.frames import AlertNews, Control, Frame, FrameKind, NeededScore, stretch_ns
from collector.spool.log import INPUTS
from collector.spool.spool import Spool
from deploy.site import SiteFile
from detectors.worker import Detection

_MESSAGES_AT_ONCE = 1_000
_FRAMES_AT_ONCE = 200
_AT_ONCE_NS = 300 * NS_PER_S
_AFTER_END_TICKS = 2  # the clock runs on a little, so that the last readings are looked at
_ROOM_MB, _KEPT_D = 100_000.0, 36_500.0
_NOT_REPLAYED = (Control, NeededScore, AlertNews)  # what was done, asked and told because of the alerts of then
_OWN = f"/{SELF_LINE}"
_MODELS = "model"  # how the names begin under which a spool keeps trained models

Heard = Callable[[int, int], None]  # (messages or frames so far, at_ns)


class Stretch(NamedTuple):
    """What was replayed: from the first to the last instant (UTC ns); `amount` of messages or frames."""

    from_ns: int
    to_ns: int
    amount: int


def replay_messages(
    messages: Iterable[Published], until_ns: int, site: SiteFile, spool: Spool, heard: Heard
) -> Stretch:
    """Decodes and stores messages before `until_ns`, and lets the detectors say what follows. Raises AndonError."""
    clock, counters, stop = PlantClock(), Counters(report_every_s=None), Event()
    decoder, detection = site.decoder(clock), _detection(site, spool)
    room = msgspec.structs.replace(site.spool, max_mb=_ROOM_MB, keep_d=_KEPT_D)  # nothing goes before it was judged
    retention = Retention(room, counters, detected=False)
    appender = Appender(spool, site.site, clock, int(site.clock.tick_s * NS_PER_S), retention, counters)
    first_ns, last_ns, count = 0, 0, 0
    for group in _groups(messages, until_ns):
        last_ns = group[-1].at_ns
        first_ns, count = first_ns or group[0].at_ns, count + len(group)
        clock.publish_at(last_ns)
        intake = decoder.decode([Message(one.topic, one.payload, one.at_ns) for one in group], now_ns=last_ns)
        appender.append(intake, decoder.snapshot(), last_ns, stop)
        _detect(detection)
        heard(count, last_ns)
    if count:
        end_ns = last_ns + int(_AFTER_END_TICKS * site.clock.tick_s * NS_PER_S)
        clock.settle(end_ns)
        appender.append(decoder.decode([], now_ns=end_ns), decoder.snapshot(), end_ns, stop)
        _detect(detection)
        last_ns = end_ns
    return Stretch(first_ns, last_ns, count)


def replay_spool(source: Spool, until_ns: int, site: SiteFile, spool: Spool, heard: Heard) -> Stretch:
    """Copies what detectors read of a site's spool, but for what people did, and lets them say what follows."""
    detection = _detection(site, spool)
    with spool.transaction():
        for name, body in source.recall_all(_MODELS).items():
            spool.remember(_MODELS + name, body)
    first_ns, last_ns, count = 0, 0, 0
    for frames in _frames(source, until_ns):
        told = [one for one in frames if not isinstance(one.body, _NOT_REPLAYED) and not one.shard.endswith(_OWN)]
        with spool.transaction():
            spool.log.append([_moved(frame, source, spool) for frame in told])
        _detect(detection)
        began_ns = [stretch_ns(frame.body)[0] for frame in told if isinstance(frame.body, Batch) and len(frame.body)]
        first_ns = min([*began_ns, *([first_ns] if first_ns else [])], default=0)
        last_ns = max([last_ns, *(frame.at_ns for frame in told if frame.kind in (FrameKind.BATCH, FrameKind.TICK))])
        count += len(told)
        heard(count, last_ns)
    return Stretch(first_ns, last_ns, count)


def _detection(site: SiteFile, spool: Spool) -> Detection:
    return Detection(spool, site.rules, site.detect, site.calendar, alerts=site.alerts, flow=site.flow)


def _detect(detection: Detection) -> None:
    while detection.step():
        pass


def _groups(messages: Iterable[Published], until_ns: int) -> Iterator[list[Published]]:
    """Messages in groups that span little time, so that no line runs far ahead of the others."""
    group: list[Published] = []
    for message in messages:
        if message.at_ns >= until_ns:
            break
        if group and (len(group) == _MESSAGES_AT_ONCE or message.at_ns - group[0].at_ns >= _AT_ONCE_NS):
            yield group
            group = []
        group.append(message)
    if group:
        yield group


def _frames(source: Spool, until_ns: int) -> Iterator[list[Frame]]:
    after = 0
    while frames := source.log.read(after, _FRAMES_AT_ONCE, kinds=INPUTS):
        after = frames[-1].offset
        yield [frame for frame in frames if frame.at_ns < until_ns]


def _moved(frame: Frame, source: Spool, spool: Spool) -> Frame:
    """A frame under the numbers that its series have in another spool."""
    if not isinstance(frame.body, Batch):
        return frame._replace(offset=0)
    series, place = np.unique(frame.body.series, return_inverse=True)
    ids = np.array([spool.series.id_of(source.series[one]) for one in series.tolist()], np.int32)
    return frame._replace(body=frame.body.with_series(ids[place]), offset=0)
