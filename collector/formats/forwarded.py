"""forwarded: what other collectors send with their sink `mqtt_forward`: readings as their gateways stored them.

[[subscribe]]
topic = "andon/forward/+"         # one topic a gateway
format = "forwarded"

Both clocks, qualities, the descriptions of series and what it knows to be missing come as the gateway has them. Every
bundle says which offsets of the gateway's log it holds: what was seen before is dropped, what comes after newer bundles
is kept and flagged HISTORICAL, and offsets that will never come any more are a gap. Should they come after all (their
bundle was a dead letter and is replayed), they are taken, and the gap is made up for. Not for shared subscriptions:
they break the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np

from collector.config import Section, Site
from collector.formats.format import BadPayload, Decoded
from collector.forwarding.bundle import BadBundle, Bundle, unpack
from collector.forwarding.coverage import MOST_SPANS, Coverage, Span
from collector.readings import Quality, Readings
from collector.sources.source import Message
from collector.spool.frames import EVERY_SHARD
from collector.spool.ledger import Cause, Gap
from collector.topics import TopicTemplate

_MOST_LOGS = 1_000  # gateways whose logs are remembered; past that the one longest silent is forgotten


class Options(Section, frozen=True, kw_only=True):
    """Nothing to set: the bundles say everything themselves."""


def build(options: Options, site: Site, topic: TopicTemplate) -> Forwarded:
    return Forwarded()


def fits(message: Message) -> float:
    """How surely a message is a bundle: 0 not, 1 nothing else unpacks as one."""
    try:
        unpack(message.payload)
    except BadBundle:
        return 0.0
    return 1.0


class _Seen:
    """What came of one gateway's log, and when the gateway received what stands at the edges of the gaps in it.

    `coverage` is all that is settled, seen or booked as missing; `missing` is what of it was booked.
    """

    def __init__(
        self,
        spans: Iterable[Span],
        begins_ns: Mapping[int, int] | None = None,
        ends_ns: Mapping[int, int] | None = None,
        shards: Iterable[str] = (),
        missing: Iterable[Span] = (),
    ) -> None:
        self.coverage = Coverage(spans)
        self.missing = Coverage(missing)
        self.begins_ns = dict(begins_ns or {})  # of the span that begins past this offset
        self.ends_ns = dict(ends_ns or {})  # of the span that ends with this offset
        self.shards = set(shards)  # the lines it ever sent readings of

    def settle(self, offset: int) -> list[Span]:
        """Gives up what is missing at or before an offset, and returns it."""
        holes = self.coverage.settle(offset)
        for hole in holes:
            self.missing.add(*hole)
        for oldest in self.missing.spans[:-MOST_SPANS]:  # no memory grows for ever: these stay given up
            self.missing.take_out(*oldest)
        return holes

    def find(self, bundle: Bundle, now_ns: int) -> list[Gap]:
        """What a bundle brings of what was booked as missing counts as not seen; it makes up for its gap."""
        found = self.missing.take_out(bundle.after, bundle.through)
        for span in found:
            self.coverage.take_out(*span)
        received = bundle.batch.received_ns
        from_ns, to_ns = (int(received.min()), int(received.max())) if len(received) else (now_ns, now_ns)
        came = sum(through - after for after, through in found)
        return [Gap(_asset(bundle.origin), Cause.SEQ_GAP, from_ns, to_ns, -came)] if came else []

    def gap(self, hole: Span, gateway: str, now_ns: int) -> Gap:
        after, through = hole
        to_ns = self.begins_ns.get(through, now_ns)
        note = (
            "entries of the gateway's log never came: see its ledger for what it dropped, and the broker's queue limits"
        )
        from_ns = min(self.ends_ns.get(after, to_ns), to_ns)
        shard = next(iter(self.shards)) if len(self.shards) == 1 else EVERY_SHARD
        return Gap(_asset(gateway), Cause.SEQ_GAP, from_ns, to_ns, through - after, note, shard)

    def note_times(self, bundle: Bundle, now_ns: int) -> None:
        received = bundle.batch.received_ns
        self.begins_ns[bundle.after] = int(received.min()) if len(received) else now_ns
        self.ends_ns[bundle.through] = int(received.max()) if len(received) else now_ns

    def add(self, bundle: Bundle, now_ns: int) -> None:
        self.coverage.add(bundle.after, bundle.through)
        self.shards.update(one.equipment.shard for one in bundle.series)
        begins, ends = zip(*self.coverage.spans, strict=True)
        self.begins_ns = {offset: self.begins_ns.get(offset, now_ns) for offset in begins}
        self.ends_ns = {offset: self.ends_ns.get(offset, now_ns) for offset in ends}


class _Remembered(msgspec.Struct, array_like=True):
    origin: str
    log: str
    spans: list[Span]
    begins_ns: dict[int, int]
    ends_ns: dict[int, int]
    shards: list[str]
    missing: list[Span] = []


class Forwarded:
    """Reads the bundles of any number of gateways, told apart by their names and the names of their logs."""

    collectors_own_lines = True  # a gateway's own counters and stocks come with its readings

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], _Seen] = {}

    def decode(self, message: Message) -> Decoded:
        """Raises BadPayload; never anything else."""
        try:
            bundle = unpack(message.payload)
        except BadBundle as bad:
            raise BadPayload(
                f"topic {message.topic}: no bundle of a gateway's mqtt_forward: {bad}: bring both collectors to one "
                "version, and let nothing else publish there"
            ) from bad
        return self._take(bundle, message.received_ns)

    def snapshot(self) -> bytes:
        kept = [
            _Remembered(
                *key, seen.coverage.spans, seen.begins_ns, seen.ends_ns, sorted(seen.shards), seen.missing.spans
            )
            for key, seen in self._seen.items()
        ]
        return msgspec.msgpack.encode(kept) if kept else b""

    def restore(self, memory: bytes) -> None:
        kept = msgspec.msgpack.decode(memory, type=list[_Remembered]) if memory else []
        self._seen = {
            (one.origin, one.log): _Seen(one.spans, one.begins_ns, one.ends_ns, one.shards, one.missing) for one in kept
        }

    def _take(self, bundle: Bundle, received_ns: int) -> Decoded:
        key = (bundle.origin, bundle.log)
        seen = self._seen.pop(key, None) or _Seen([(0, bundle.settled)])
        self._seen[key] = seen
        if len(self._seen) > _MOST_LOGS:
            del self._seen[next(iter(self._seen))]
        seen.note_times(bundle, received_ns)
        gaps = [seen.gap(hole, bundle.origin, received_ns) for hole in seen.settle(bundle.settled)]
        is_late = bundle.through < seen.coverage.top
        gaps += seen.find(bundle, received_ns)
        fresh = bundle.unseen(seen.coverage)
        seen.add(bundle, received_ns)
        return Decoded(_readings(fresh, is_late=is_late), [*gaps, *_told(fresh)])


def _asset(gateway: str) -> str:
    return f"gateway {gateway}"


def _told(bundle: Bundle) -> list[Gap]:
    """What the gateway itself booked as missing."""
    return [gap._replace(note=f"{gap.note} (told by gateway {bundle.origin})") for _, gap in bundle.gaps]


def _readings(bundle: Bundle, *, is_late: bool) -> Readings:
    batch = bundle.batch
    late = np.uint8(Quality.HISTORICAL if is_late else 0)
    return Readings(
        [bundle.series[number] for number in batch.series.tolist()],
        batch.at_ns.tolist(),
        batch.value.tolist(),
        (batch.quality | late).tolist(),
        batch.received_ns.tolist(),
    )
