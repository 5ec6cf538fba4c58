"""How far the chain lags behind the detectors, and they behind the floor, changes no exposure in the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from collector import schema
from collector.readings import NS_PER_S
from collector.spool.spool import Spool
from detectors.alerts import Alert, State
from detectors.chain.run import ChainRun
from tests.detectors.chain.test_exposure import NETWORK, NOW_NS
from tests.detectors.chain.test_run import Plant, dropped, short

LAST_S, EVERY_S, STOCK_EVERY_S = 600, 20, 200
ALERTS = [
    short(41),
    dropped(64),
    short(122, State.NORMAL),
    short(143),
    dropped(169, State.NORMAL),
    dropped(201),
    short(225, State.NORMAL),
    short(257),
    dropped(303, State.NORMAL),
    short(411, State.NORMAL),
    dropped(432),
]
Pace = Callable[[], int]
Exposed = dict[tuple[int, str, str], dict[str, Any]]


def exposures_in_the_end(spool: Spool) -> Exposed:
    """What readers of history see: per instant and place what was said last, ended ones left out."""
    last = {}
    for frame in spool.log.read(0, 100_000):
        record: Any = frame.body
        if getattr(record, "measurement", "") == schema.EXPOSURE.name:
            last[record.detail["at_ns"], record.detail["node"], record.detail["material"]] = record.detail
    return {key: one for key, one in last.items() if one["causes"]}


def run_at(folder: Path, detectors: Pace, chain_steps: Pace) -> Exposed:
    """A run in which, turn by turn of the floor, the detectors deal with so many turns and the chain steps so often."""
    plant, chain = Plant(folder / "spool.sqlite"), ChainRun(NETWORK)
    turns: list[tuple[int, list[Alert]]] = []  # those the detectors have to deal with: where they end, what to say
    with closing(plant.spool):
        for second in range(0, LAST_S, EVERY_S):
            plant.tick(second)  # so that what is said of this turn waits for a tick
            if second % STOCK_EVERY_S == 0:
                plant.stocks((second, 500.0 - second / 2))
            turns.append((plant.spool.log.end(), [one for one in ALERTS if 0 <= at_s(one) - second < EVERY_S]))
            for _ in range(min(detectors(), len(turns))):
                end, due = turns.pop(0)
                plant.detectors_say(*due, up_to=end)
            for _ in range(chain_steps()):
                chain.step(plant.spool, limit=7)
        for end, due in turns:
            plant.detectors_say(*due, up_to=end)
        plant.tick(LAST_S)
        plant.detectors_say()
        while chain.step(plant.spool):
            pass
        return exposures_in_the_end(plant.spool)


def at_s(alert: Alert) -> int:
    return (alert.changed_at_ns - NOW_NS) // NS_PER_S


@pytest.fixture(scope="module")
def in_step(tmp_path_factory: pytest.TempPathFactory) -> Exposed:
    return run_at(tmp_path_factory.mktemp("in_step"), lambda: 9, lambda: 9)


def test_all_that_is_open_is_exposed_at_every_turn(in_step: Exposed) -> None:
    open_at_turns = [1, 2, 1, 2, 1, 2, 1, 2, 1, 0, 1]
    assert len(in_step) == sum(open_at_turns)


@pytest.mark.parametrize("seed", range(8))
def test_no_pace_changes_an_exposure(in_step: Exposed, tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    awake = random.choice((0.05, 0.2, 0.6))
    detectors = lambda: random.choice((0, 0, 1, 9))  # noqa: E731
    assert run_at(tmp_path, detectors, lambda: 2 * (random.random() < awake)) == in_step
