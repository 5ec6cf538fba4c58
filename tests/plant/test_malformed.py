"""R6: every tenth of 1,000 messages a second is malformed: the good ones do not wait for it, the bad ones are kept with
their reason, and what a mended mapping can read comes back by `andon dead replay` with its own times."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.spool.dead import DeadLetter
from collector.spool.spool import Spool
from deploy.bench.load import RETROFIT_OF_5, Wire
from deploy.bench.malformed import PER_S, RETROFIT, ROUNDS, RUN_S, Compared, compare
from deploy.bench.rig import Rig
from deploy.bench.store import Store
from tests.plant.balance import books_said, lasting_broker
from tests.plant.log_lines import events, log_of
from tests.plant.servers import need
from tests.plant.teaching_factory import wait

pytestmark = [pytest.mark.plant, pytest.mark.alone]

RUN = RUN_S * PER_S
MALFORMED = ROUNDS * RUN // 10
GOOD = (1 + 2 * ROUNDS) * RUN - MALFORMED
MENDABLE = MALFORMED * RETROFIT_OF_5 // 5
AGAIN = 3


class Morning:
    """What the plant saw: the delays of good messages, and everything that became of the bad ones."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        with rig.andon("collect") as collector:
            collector.wait_ready()
            self.compared: Compared = compare(rig)
            wire = Wire(rig.port, "repeater")
            for _ in range(AGAIN):
                wire.send([(b"signal/bench/c00", b"no JSON at all")], window=0)
            wire.close()
            wait(lambda: self.stored() >= GOOD, "not every good message is in the store", 60.0)
            wait(lambda: len(self.letters()) > MALFORMED, "not every bad message is a dead letter", 30.0)
            self.stored_before, self.letters_before = self.stored(), self.letters()
            rig.site_path.write_text(rig.site_path.read_text().replace(RETROFIT, RETROFIT.replace('"ts"', '"stamp"')))
            self.said = self.replay()
            wait(lambda: self.stored() >= GOOD + MENDABLE, "not every mended message is in the store", 60.0)

    def stored(self) -> int:
        return self.rig.store.distinct() or 0

    def letters(self) -> list[DeadLetter]:
        with Spool.open(self.rig.spool_path) as spool:
            return spool.dead.read(limit=10 * MALFORMED)

    def replay(self) -> dict[str, object]:
        command = [sys.executable, "-m", "deploy.cli", "dead", "replay", str(self.rig.site_path), "--json"]
        ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert events(ended.stderr) == {}
        said: dict[str, object] = json.loads(ended.stdout)
        return said


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Morning]:
    need("influxd")
    folder: Path = tmp_path_factory.mktemp("malformed")
    with lasting_broker(folder / "broker") as broker, Store(folder / "store") as store:
        yield Morning(Rig(folder, broker.port, store, RETROFIT))


def test_good_messages_are_as_fast_as_without_bad_ones(morning: Morning) -> None:
    """Within 10 %. What clean runs differ among themselves says nothing about bad messages and is allowed beside it."""
    compared = morning.compared
    print(compared)
    for which in (0, 1):
        clean = [run[which] for run in compared.clean]
        allowed_ms = 1.10 * statistics.median(clean) + max(clean) - min(clean)
        assert statistics.median(run[which] for run in compared.malformed) <= allowed_ms, compared


def test_every_bad_message_is_one_dead_letter_with_a_reason(morning: Morning) -> None:
    assert morning.stored_before == GOOD
    assert len(morning.letters_before) == MALFORMED + 1
    assert all(letter.reason and "Traceback" not in letter.reason for letter in morning.letters_before)
    (repeated,) = (letter for letter in morning.letters_before if letter.payload == b"no JSON at all")
    assert repeated.times == AGAIN
    assert sum(letter.times for letter in morning.letters_before) == MALFORMED + AGAIN


def test_a_mended_mapping_brings_back_what_it_can_read(morning: Morning) -> None:
    beyond_repair = MALFORMED + 1 - MENDABLE
    came = {"letters": MENDABLE, "readings": MENDABLE, "still_dead": beyond_repair}
    assert morning.said == {**came, "rows_refused": {}}
    assert morning.stored() == GOOD + MENDABLE
    assert len(morning.letters()) == beyond_repair
    books = books_said(morning.rig)
    assert books.is_exact
    assert (books.dead_kept, books.dead_replayed) == (beyond_repair + AGAIN - 1, MENDABLE)
    assert books.readings == books.messages_read + MENDABLE
    (store,) = books.stores
    assert (store.handed_on, store.waiting, store.dropped) == (books.readings, 0, 0)


def test_bad_messages_are_not_told_one_by_one(morning: Morning) -> None:
    assert events(log_of(morning.rig)) == {}
