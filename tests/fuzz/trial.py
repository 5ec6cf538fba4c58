"""One format under mutated payloads of its case folders: readings that can be stored, a dead letter's reason, or
nothing said; never another exception, never long, and it can be restarted afterwards.

Every case folder has its own format, whose memory goes on from payload to payload.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from collector.formats.format import BadPayload, Decoded, Format, KeepsTime, ReadsWhole
from collector.formats.limits import Limits
from collector.intake import Columns
from collector.readings import Readings
from collector.sources.source import Message
from tests.contracts.format_cases import Case, cases_of, restarted
from tests.fuzz.mutation import Mutator

LONG_S = 2.0  # CPU time of one payload, on any machine this runs on; what is allowed at most takes 0.4 s
_RESTART_EVERY = 5_000
_LIMITS = Limits()
_RECEIVED_NS = (0, 1_720_730_486_000_000_000, 1_795_000_000_000_000_000, -1, 2**62)


@dataclass
class Outcome:
    """What a number of payloads came to; `faults` are the payloads that did what none may do, with what it was.

    `read` said something, `silent` said nothing, `waiting` wait for others; of all of them `left_out` values of no use.
    """

    payloads: int = 0
    read: int = 0
    refused: int = 0
    silent: int = 0
    waiting: int = 0
    left_out: int = 0
    crashes: int = 0
    hangs: int = 0
    readings: int = 0
    slowest_s: float = 0.0
    rss_growth_mb: float = 0.0
    faults: list[tuple[Case, Message, str]] = field(default_factory=list)

    @property
    def is_exact(self) -> bool:
        return self.payloads == self.read + self.refused + self.silent + self.waiting + self.crashes


class Trial:
    """The fuzzing of one format; the same `seed` brings the same payloads."""

    def __init__(self, name: str, seed: int = 1) -> None:
        self.cases = cases_of(name)
        self._random = Random(f"{name} {seed}")
        self._seeds = sorted({message.payload for case in self.cases for message in case.messages()})
        self._mutator = Mutator(self._seeds, self._random)
        self._messages = {case: case.messages() for case in self.cases}
        self.forms: dict[Case, Format] = {case: case.build() for case in self.cases}

    def messages(self, count: int) -> Iterator[tuple[Case, Message]]:
        """The payloads, each with the case whose format it goes to."""
        random = self._random
        for _ in range(count):
            case = random.choice(self.cases)
            topic, payload, received_ns = random.choice(self._messages[case])
            if random.random() < 0.2:
                payload, received_ns = random.choice(self._seeds), random.choice(_RECEIVED_NS)
            yield case, Message(topic, self._mutator.mutated(payload), received_ns)

    def run(self, count: int) -> Outcome:
        """Sends `count` payloads through the formats, restarting each of them now and then."""
        outcome, settled_mb = Outcome(), 0.0
        for number, (case, message) in enumerate(self.messages(count)):
            self.send(case, message, outcome)
            if number % _RESTART_EVERY == 0:
                self._restart(case, message, outcome)
            if number == count // 2:
                settled_mb = _rss_mb()
        for case in self.cases:
            self._restart(case, Message("", b"", 0), outcome)
        outcome.rss_growth_mb = _rss_mb() - settled_mb
        return outcome

    def send(self, case: Case, message: Message, outcome: Outcome) -> None:
        """One payload, as `collector.decoder` would hand it over."""
        outcome.payloads += 1
        began_s = time.thread_time()
        try:
            form = self.forms[case]
            decoded = _decoded(form, message)
            if isinstance(form, KeepsTime):
                form.due(message.received_ns)
        except BadPayload:
            outcome.refused += 1
        except Exception as error:  # noqa: BLE001  any other is what is looked for
            outcome.crashes += 1
            self._fault(case, message, outcome, f"{type(error).__name__}: {error}")
        else:
            outcome.readings += len(decoded.readings)
            said_something = bool(len(decoded.readings) or decoded.gaps or decoded.signals)
            outcome.left_out += len(decoded.left_out)
            outcome.read += said_something
            outcome.waiting += decoded.is_waiting and not said_something
            outcome.silent += not said_something and not decoded.is_waiting
        lasted_s = time.thread_time() - began_s
        outcome.slowest_s = max(outcome.slowest_s, lasted_s)
        if lasted_s > LONG_S:
            outcome.hangs += 1
            self._fault(case, message, outcome, f"lasted {lasted_s:.1f} s")

    def _restart(self, case: Case, message: Message, outcome: Outcome) -> None:
        try:
            self.forms[case] = restarted(self.forms[case], case)
        except Exception as error:  # noqa: BLE001
            self._fault(case, message, outcome, f"restart: {type(error).__name__}: {error}")

    def _fault(self, case: Case, message: Message, outcome: Outcome, error: str) -> None:
        outcome.faults.append((case, message, error))
        self.forms[case] = case.build()


def _decoded(form: Format, message: Message) -> Decoded:
    """What the message said, all of it fit to be stored."""
    _LIMITS.check_payload(message)
    if isinstance(form, ReadsWhole):
        columns = Columns()
        if not list(form.decode_whole([message], columns)):
            columns.lots()
            return Decoded(Readings([one for block in columns.block for one in block]))
    decoded = form.decode(message)
    _LIMITS.check_decoded(message, decoded)
    for series, at_ns, value, quality in decoded.readings:
        if not -(2**63) <= at_ns < 2**63 or not isinstance(value, float) or not 0 <= quality < 256:
            raise ValueError(f"a reading that cannot be stored: {series.name} {at_ns} {value!r} {quality}")
        if math.isinf(value) or (math.isnan(value) and not quality):
            raise ValueError(f"a good reading that is no number: {series.name} {value!r}")
        series.name.encode()
    return decoded


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20
