"""What a host application does about messages out of their order: it waits, and asks when that was in vain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from collector.readings import NS_PER_S
from tests.sparkplug_host.checks.commands import commands
from tests.sparkplug_host.checks.speakers import Told, told
from tests.sparkplug_host.transcript import Transcript, Verdict, judged

_SEQ_NUMBERS = 256
_LATE_S = 5.0  # a request may come so long after its time: a busy machine is slow


class Jump(NamedTuple):
    """A message that came before its turn; `filled_ns` is when the last of those before it had come, 0: they never did.

    `until_ns`: the edge node's next birth or jump, or the end."""

    came: Told
    missing: frozenset[int]
    filled_ns: int
    until_ns: int


def waits_for_what_is_missing(wire: Transcript) -> Verdict:
    """A request for a birth comes when the window is over, and not before."""
    return judged(_unfilled(wire), lambda jump: _request_fault(wire, jump, wire.reorder_s, None))


def waits_as_long_as_it_is_told(wire: Transcript) -> Verdict:
    """The window is the one that the site set."""
    return judged(_unfilled(wire), lambda jump: _request_fault(wire, jump, wire.reorder_s, wire.reorder_s + _LATE_S))


def asks_for_a_birth_in_the_end(wire: Transcript) -> Verdict:
    return judged(_unfilled(wire), lambda jump: _request_fault(wire, jump, 0.0, None))


def goes_on_when_all_has_come(wire: Transcript) -> Verdict:
    """No request, and what came out of order is kept like all else."""

    def fault(jump: Jump) -> str:
        if _requests_s(wire, jump):
            return f"a birth of {jump.came.node} was asked for although nothing was missing any more"
        kept = {one.at_ns // 1_000_000 for one in wire.readings if one.asset == jump.came.asset}
        return "" if jump.came.payload.timestamp_ms in kept else "the message that waited was not kept"

    return judged([one for one in _jumps(wire) if one.filled_ns], fault)


def _unfilled(wire: Transcript) -> list[Jump]:
    return [one for one in _jumps(wire) if not one.filled_ns]


def _request_fault(wire: Transcript, jump: Jump, from_s: float, to_s: float | None) -> str:
    asked_s = _requests_s(wire, jump)
    if not asked_s:
        return f"{sorted(jump.missing)} of {jump.came.node} never came, and no birth was asked for"
    if asked_s[0] < from_s:
        return f"a birth was asked for after {asked_s[0]:.3f} s, the window being {from_s} s"
    return "" if to_s is None or asked_s[0] <= to_s else f"a birth was asked for only after {asked_s[0]:.3f} s"


def _requests_s(wire: Transcript, jump: Jump) -> list[float]:
    """How long after the jump births of its edge node were asked for."""
    since_ns = jump.came.packet.at_ns
    return [
        (one.packet.at_ns - since_ns) / NS_PER_S
        for one in commands(wire)
        if one.asks_rebirth and one.asset == jump.came.node and since_ns <= one.packet.at_ns <= jump.until_ns
    ]


def _jumps(wire: Transcript) -> Iterator[Jump]:
    for node in dict.fromkeys(one.node for one in told(wire)):
        yield from _jumps_of([one for one in told(wire) if one.node == node and one.payload.seq is not None], wire)


def _jumps_of(messages: list[Told], wire: Transcript) -> Iterator[Jump]:
    due: int | None = None
    for at, one in enumerate(messages):
        seq = one.payload.seq or 0
        ahead = 0 if due is None or one.verb == "NBIRTH" else (seq - due) % _SEQ_NUMBERS
        if ahead > _SEQ_NUMBERS // 2:
            continue  # one of those that were missing
        if ahead:
            missing = frozenset((seq - i) % _SEQ_NUMBERS for i in range(1, ahead + 1))
            yield _followed(one, missing, messages[at + 1 :], wire.packets[-1].at_ns)
        due = (seq + 1) % _SEQ_NUMBERS


def _followed(came: Told, missing: frozenset[int], after: list[Told], until_ns: int) -> Jump:
    """What became of it, up to the next birth or the next message out of order."""
    left, filled_ns, due = set(missing), 0, ((came.payload.seq or 0) + 1) % _SEQ_NUMBERS
    for one in after:
        seq = one.payload.seq or 0
        if one.verb == "NBIRTH" or seq not in (due, *left):
            until_ns = one.packet.at_ns
            break
        left.discard(seq)
        due = (seq + 1) % _SEQ_NUMBERS if seq == due else due
        filled_ns = filled_ns or (0 if left else one.packet.at_ns)
    return Jump(came, missing, filled_ns, until_ns)
