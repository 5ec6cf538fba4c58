"""What the source thinks, without a wire: queue, pauses, reasons, drops."""

from __future__ import annotations

import time

import pytest

from collector.sources.arrivals import Arrivals, Chunk
from collector.sources.backoff import FAULT_TO_S, FROM_S, RIVAL_FROM_S, TO_S, Backoff
from collector.sources.drops import DropCount
from collector.sources.reasons import Code, pauses_s, remedy, subscription_remedy
from collector.sources.source import Message


def chunk(*payloads: bytes, acks: bytes = b"") -> Chunk:
    return Chunk([Message("t", one, 1) for one in payloads], acks, None, sum(map(len, payloads)))


def test_a_chunk_that_is_cut_is_acknowledged_with_its_last_part() -> None:
    arrivals = Arrivals()
    arrivals.put(chunk(b"1", b"2", b"3", acks=b"all"))
    (first,), (rest,) = arrivals.take(2), arrivals.take(2)
    assert [one.payload for one in (*first.messages, *rest.messages)] == [b"1", b"2", b"3"]
    assert (first.acks, rest.acks) == (b"", b"all")


def test_the_queue_is_bounded_by_messages_and_by_bytes_and_says_when_there_is_room() -> None:
    for filling in (chunk(b"", b"", b"", b""), chunk(b"x" * 100)):
        arrivals, woken = Arrivals(most_messages=4, most_bytes=100), []
        arrivals.call_on_room(lambda woken=woken: woken.append(1))  # type: ignore[misc]
        arrivals.put(chunk(b""))
        assert not arrivals.is_full
        arrivals.put(filling)
        assert arrivals.is_full
        assert sum(len(one.messages) for one in arrivals.take(10)) == 1 + len(filling.messages)
        assert (arrivals.is_full, woken) == (False, [1])


def test_waiting_ends_when_enough_is_here() -> None:
    arrivals = Arrivals()
    arrivals.put(chunk(b"1", b"2"))
    began = time.monotonic()
    arrivals.wait(2, began + 60.0, lambda: False)
    arrivals.wait(3, began + 60.0, lambda: True)
    assert time.monotonic() - began < 30.0


def test_pauses_double_to_their_bound_and_start_over_after_a_connection_that_held() -> None:
    backoff = Backoff(chance=lambda: 1.0)
    assert [backoff.next_s(0.0) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert backoff.next_s(lasted_s=59.0) == TO_S
    assert backoff.next_s(lasted_s=61.0) == FROM_S


def test_pauses_vary_so_that_a_hall_does_not_come_back_at_once() -> None:
    assert Backoff(chance=lambda: 0.0).next_s(0.0) == FROM_S / 2


def test_two_with_one_client_id_keep_out_of_each_others_way() -> None:
    """Each connects only to be cut off by the other: their pauses grow to an hour."""
    backoff = Backoff(chance=lambda: 1.0)
    pauses = [backoff.next_s(5.0, *pauses_s(Code.TAKEN_OVER)) for _ in range(8)]
    assert (pauses[0], pauses[-1]) == (RIVAL_FROM_S, 3600.0)


@pytest.mark.parametrize("code", [0x84, 0x86, 0x87, 0x8A])
def test_what_only_a_person_can_mend_is_tried_less_often(code: int) -> None:
    assert pauses_s(code) == (FROM_S, FAULT_TO_S)


def test_every_code_has_a_remedy() -> None:
    for code in range(256):
        assert remedy(code)
        assert subscription_remedy(code)


def test_a_count_of_drops_is_booked_as_it_rises_and_starts_over_with_the_broker() -> None:
    count = DropCount("broker b:1")
    seen = [count.saw(payload, at) for at, payload in enumerate((b"7", b"7", b"9", b"no number", b"1", b"4"), start=1)]
    assert [gap and (gap.missing, gap.from_ns, gap.to_ns) for gap in seen] == [
        None,
        None,
        (2, 2, 3),
        None,
        None,
        (3, 5, 6),
    ]
