"""Settling steps back for an alert that is heard meanwhile, goes on where it was, and says the same in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector import schema
from collector.readings import NS_PER_S
from detectors.alerts import Alert, State
from detectors.chain import judging
from detectors.chain.exposure import Exposure, each_exposure
from detectors.chain.judging import Judge
from detectors.chain.run import ChainRun
from detectors.chain.standing import Heard, Memory, pass_tick
from tests.detectors.chain.test_exposure import NETWORK, NOW_NS
from tests.detectors.chain.test_run import Plant, dropped, settle, short

CHANGES = (short(2), dropped(3), short(5, State.NORMAL), short(6))
PLACES = 1 + 2 + 1 + 2  # open at each of these instants
Said = list[tuple[str, Any]]


def passed(changes: Sequence[Alert] = CHANGES) -> Memory:
    """What a chain remembers when a tick has just passed these changes."""
    memory = Memory(waiting=list(changes))
    pass_tick(memory, NOW_NS + 10 * NS_PER_S, offset=1)
    return memory


def settled(memory: Memory, is_urgent: Callable[[], bool]) -> tuple[Said, int]:
    """All that is said, and how often settling stepped back."""
    judge, said, back = Judge(NETWORK), list[tuple[str, Any]](), 0
    while memory.passing:
        judged = judge.settle(memory, is_urgent)
        if judged is None:
            back += 1
        else:
            said += [*judged.said, *judged.map]
    return said, back


def test_settling_that_steps_back_at_every_place_says_the_same() -> None:
    straight, _ = settled(passed(), lambda: False)
    interrupted, back = settled(passed(), lambda: True)
    assert interrupted == straight
    assert back == PLACES


def test_settling_that_steps_back_leaves_the_memory_as_it_was() -> None:
    memory = passed()
    before = msgspec.msgpack.encode(memory)
    assert Judge(NETWORK).settle(memory, lambda: True) is None
    assert msgspec.msgpack.encode(memory) == before


def test_an_alert_in_the_midst_is_judged_on_what_is_not_settled_yet() -> None:
    memory, judge = passed(CHANGES[:3]), Judge(NETWORK)
    assert judge.settle(memory, lambda: True) is None
    again = short(12)
    memory.waiting.append(again)
    memory.fresh.append(Heard(9, again))
    (judged,) = judge.at_once(memory)
    (exposure,) = [record for _, record in judged.said]
    assert (exposure.at_ns, exposure.key) == (NOW_NS + 12 * NS_PER_S, "line|part")
    assert exposure.detail["causes"] == (again.key,)


def told_in_the_end(plant: Plant) -> dict[tuple[int, str], Any]:
    return {(record.at_ns, record.key): record.detail for record in plant.said(schema.EXPOSURE.name)}


def hear_of_two_and_of_one_more(plant: Plant, say_one_more: Callable[[Plant], None]) -> None:
    """Two alerts are open and wait for their tick; a late reading makes them be judged anew."""
    chain = ChainRun(NETWORK)
    plant.stocks((0, 80.0))
    plant.tick(1)
    plant.detectors_say(short(2), dropped(3))
    settle(plant, chain)
    plant.stocks((1, 60.0))
    plant.tick(10)
    plant.detectors_say()
    say_one_more(plant)
    settle(plant, chain)
    plant.tick(20)
    plant.detectors_say()
    settle(plant, chain)


def test_an_alert_that_is_said_while_others_are_settled_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleared = short(12, State.NORMAL)
    before, meanwhile = Plant(tmp_path / "before.sqlite"), Plant(tmp_path / "meanwhile.sqlite")
    with closing(before.spool), closing(meanwhile.spool):
        hear_of_two_and_of_one_more(before, lambda plant: plant.detectors_say(cleared))

        def say_in_the_midst(plant: Plant) -> None:
            def one_by_one(*about: Any, **which: Any) -> Iterator[Exposure]:
                for i, one in enumerate(each_exposure(*about, **which)):
                    if i == 0 and which["only"] is None:
                        plant.detectors_say(cleared)
                    yield one

            monkeypatch.setattr(judging, "each_exposure", one_by_one)

        hear_of_two_and_of_one_more(meanwhile, say_in_the_midst)
        ended = NOW_NS + 12 * NS_PER_S
        order = [record.at_ns for record in meanwhile.said(schema.EXPOSURE.name)]
        assert order.index(ended) < len(order) - 1
        assert told_in_the_end(meanwhile) == told_in_the_end(before)
