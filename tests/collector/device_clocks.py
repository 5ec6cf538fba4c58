"""Devices with clocks of their own, and what a ClockWatch says of them, message by message."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from collector.clocks.watch import ClockWatch
from collector.readings import NS_PER_S, Batch, Quality
from collector.spool.ledger import Gap
from tests.collector.batches import batch

T0_S = 1_774_000_000.0
LINE = "site/line"


class Sent(NamedTuple):
    """A message: when it was received by the site's clock, the device's own time of its newest reading."""

    received_s: float
    at_s: float
    quality: int = Quality.GOOD


def sending(
    count: int,
    *,
    every_s: float = 1.0,
    ahead_s: Callable[[float], float] = lambda _at_s: 0.0,
    jitter_s: float = 0.0,
    seed: int = 1,
) -> Iterator[Sent]:
    """A device that sends at a steady pace; `ahead_s` says how far its clock is off so long after the start.

    `jitter_s`: a message takes up to so long, and the device's stamp is off by up to as much.
    """
    chance = random.Random(seed)
    for i in range(count):
        elapsed_s = i * every_s
        noise_s, way_s = chance.uniform(-jitter_s, jitter_s), 0.02 + chance.uniform(0.0, jitter_s)
        yield Sent(T0_S + elapsed_s + way_s, T0_S + elapsed_s + ahead_s(elapsed_s) + noise_s)


def read_of(*messages: Sent) -> Batch:
    """A batch of two readings a message, the first of them a second older where the device stamped them."""
    rows = []
    for received_s, at_s, quality in messages:
        received_ns, at_ns = round(received_s * NS_PER_S), round(at_s * NS_PER_S)
        older_ns = at_ns if at_s == received_s else at_ns - NS_PER_S
        rows += [(0, older_ns, 1.0, quality, received_ns), (1, at_ns, 2.0, quality, received_ns)]
    return batch(*rows)


class Heard(NamedTuple):
    """What was said about one message."""

    flagged: int
    gaps: list[Gap]
    is_wrong: bool  # the gateway's clock, as far as it is known


def heard(
    messages: Iterable[Sent], watch: ClockWatch, *, settled: Callable[[int], bool] = lambda _i: True
) -> list[Heard]:
    """What the watch says, message by message; `settled(i)` is whether the i-th comes with nothing on its way."""
    said = []
    for i, message in enumerate(messages):
        judged = watch.judge(LINE, read_of(message), is_settled=settled(i))
        estimate = watch.estimates().get(LINE)
        said.append(Heard(judged.flagged, judged.gaps, estimate is not None and estimate.is_wrong))
    return said
