"""After a mapping was mended, dead letters are stored with their own times; what still cannot be read stays."""

from __future__ import annotations

import pytest

from collector.clocks.clock import WallClock
from collector.config import DropSettings
from collector.dead_replay import Revived, replay_dead
from collector.decoder import Decoder
from collector.formats.format import BadPayload, Decoded, Stateless
from collector.readings import NS_PER_S, Batch, Equipment, Quality, Reading, Readings, Series
from collector.sources.source import Message
from collector.spool.dead import DeadLetter
from collector.spool.spool import Spool
from collector.topics import TopicTemplate

LEVEL = Series(Equipment("e", "site", line="line"), "level")
T0_NS = 1_700_000_000 * NS_PER_S


class Litres(Stateless):
    """Reads `12 l`; before the mending, `12` alone."""

    def __init__(self, unit: bytes) -> None:
        self._unit = unit

    def decode(self, message: Message) -> Decoded:
        value, _, unit = message.payload.partition(b" ")
        if unit != self._unit or not value.isdigit():
            raise BadPayload(f"topic {message.topic}: not a number of {self._unit.decode() or 'nothing'}")
        return Decoded(Readings.of([Reading(LEVEL, T0_NS + int(value) * NS_PER_S, float(value))]))


def decoder(unit: bytes) -> Decoder:
    return Decoder([(TopicTemplate("tank/#"), Litres(unit))], WallClock())


@pytest.fixture
def letters(spool: Spool) -> list[bytes]:
    """Letters as the wrong mapping left them, one of them nonsense, one of a store."""
    payloads = [b"%d l" % i for i in range(1_200)] + [b"nonsense"]
    intake = decoder(b"").decode([Message("tank/1", one, T0_NS) for one in payloads])
    assert len(intake.dead) == 1_201
    with spool.transaction():
        for letter in (*intake.dead, DeadLetter("sink:store", b"a row", "too old", T0_NS)):
            spool.dead.add(letter)
    return payloads


def values(spool: Spool) -> list[float]:
    bodies = [frame.body for frame in spool.log.read(0, 10_000)]
    return [value for body in bodies if isinstance(body, Batch) for value in body.value.tolist()]


def test_letters_that_can_be_read_now_are_stored_in_order_and_gone(spool: Spool, letters: list[bytes]) -> None:
    assert replay_dead(spool, decoder(b"l")) == Revived(letters=1_200, readings=1_200, still_dead=1)
    assert values(spool) == [float(i) for i in range(1_200)]
    left = {letter.payload: letter.reason for letter in spool.dead.read()}
    assert left == {b"a row": "too old", b"nonsense": "topic tank/1: not a number of l"}


def test_a_second_replay_stores_nothing_again(spool: Spool, letters: list[bytes]) -> None:
    replay_dead(spool, decoder(b"l"))
    assert replay_dead(spool, decoder(b"l")) == Revived(still_dead=1)
    assert len(values(spool)) == 1_200


def test_the_ledger_says_that_they_came_after_all(spool: Spool) -> None:
    wrong, mended = decoder(b""), decoder(b"l")
    for i, payload in enumerate((b"1 l", b"2 l", b"nonsense", b"2 l")):
        intake = wrong.decode([Message("tank/1", payload, T0_NS + i * NS_PER_S)])
        with spool.transaction():
            for letter in intake.dead:
                spool.dead.add(letter)
            for gap in intake.gaps:
                spool.ledger.add(gap)
    assert sum(gap.missing for gap in spool.ledger.read()) == 4
    assert replay_dead(spool, mended) == Revived(letters=2, readings=2, still_dead=1)
    assert sum(gap.missing for gap in spool.ledger.read()) == 1  # the nonsense; one of the others had come twice


def test_only_the_topic_that_was_asked_for(spool: Spool, letters: list[bytes]) -> None:
    assert replay_dead(spool, decoder(b"l"), "tank/2") == Revived()
    assert spool.dead.count() == 1_202


def test_a_letter_that_gives_nothing_stays(spool: Spool) -> None:
    """What a format takes for a repeat may be kept nowhere else."""

    class Silent(Stateless):
        def decode(self, message: Message) -> Decoded:
            return Decoded()

    with spool.transaction():
        spool.dead.add(DeadLetter("tank/1", b"12", "a newer gateway sent it", T0_NS))
    silent = Decoder([(TopicTemplate("tank/#"), Silent())], WallClock())
    assert replay_dead(spool, silent) == Revived(still_dead=1)
    assert [letter.payload for letter in spool.dead.read()] == [b"12"]


def test_what_came_in_a_file_may_be_of_any_time_past(spool: Spool) -> None:
    drop = DropSettings(folder="in", topic="tank/1", format="lines")
    with spool.transaction():
        spool.dead.add(DeadLetter("tank/1", b"12 l", "an old mapping", T0_NS + 9 * 86_400 * NS_PER_S))
    assert replay_dead(spool, decoder(b"l"), drops=[drop]).letters == 1
    bodies = [frame.body for frame in spool.log.read(0, 10_000)]
    assert [body.quality.tolist() for body in bodies if isinstance(body, Batch)] == [
        [Quality.GOOD | Quality.HISTORICAL]
    ]


def test_without_a_mended_mapping_everything_stays(spool: Spool, letters: list[bytes]) -> None:
    assert replay_dead(spool, decoder(b"kg")) == Revived(still_dead=1_201)
    assert values(spool) == []
