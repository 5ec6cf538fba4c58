"""R4: a torn or flipped spool starts unattended, loses the damaged records at most, and says exactly how many.

ANDON_DAMAGE_TRIALS=1000 runs a thousand trials of one flip each and cuts at every byte; without it a quarter of the
flips and every 61st cut are tried (about half a minute).
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.collector.spool_content import MAIN, WAL, WITNESS, Known, copy_of, fill, outcome

TRIALS = int(os.environ.get("ANDON_DAMAGE_TRIALS", "250"))
STEP = 1 if TRIALS >= 1000 else 61
PAGE_BYTES = 4096
WAL_FRAME_BYTES = 24 + PAGE_BYTES

pytestmark = pytest.mark.timeout(300 if STEP > 1 else 3600)


@pytest.fixture(scope="module", params=[False, True], ids=["in the write-ahead file", "folded in"])
def spool_files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Known]:
    folder = tmp_path_factory.mktemp("damage")
    return folder, fill(folder, folded=request.param)


def test_a_sound_spool_is_left_as_it_is(spool_files: tuple[Path, Known]) -> None:
    folder, known = spool_files
    with copy_of(folder) as path:
        assert outcome(path, known).lost == set()
        assert not path.with_name(path.name + ".kept").exists()


def test_one_flipped_byte_costs_one_frame_at_most(spool_files: tuple[Path, Known]) -> None:
    folder, known = spool_files
    rng, lost = random.Random(3), 0
    names = [name for name in (MAIN, WAL) if (folder / name).exists()]
    for _ in range(TRIALS // 2):
        name = rng.choice(names)
        with copy_of(folder) as path:
            flip(path.with_name(name), rng)
            found = outcome(path, known)
        assert len(found.lost) <= 1
        lost += len(found.lost)
    assert lost, "no flip hit a frame: the trials prove nothing"


def test_a_thousand_flips_at_once_are_counted(spool_files: tuple[Path, Known]) -> None:
    folder, known = spool_files
    for seed in range(3):
        with copy_of(folder) as path:
            flip(path, random.Random(seed), times=1000)
            assert outcome(path, known).lost


def test_a_file_cut_anywhere_in_its_last_frame_or_page(spool_files: tuple[Path, Known]) -> None:
    folder, known = spool_files
    name, last_bytes = (WAL, WAL_FRAME_BYTES) if (folder / WAL).exists() else (MAIN, PAGE_BYTES)
    size = (folder / name).stat().st_size
    for cut in {*range(size - last_bytes, size, STEP), size - last_bytes, size - 1}:
        with copy_of(folder) as path:
            os.truncate(path.with_name(name), cut)
            lost = outcome(path, known).lost
        assert len(lost) <= 12, "what stood on the last page, or in the last transaction"


def test_a_file_cut_to_any_size(spool_files: tuple[Path, Known]) -> None:
    folder, known = spool_files
    for name in (MAIN, WAL):
        if (folder / name).exists():
            size = (folder / name).stat().st_size
            for cut in [*range(0, size, size // 12), *range(100)[:: STEP // 4 + 1]]:
                with copy_of(folder) as path:
                    os.truncate(path.with_name(name), cut)
                    outcome(path, known)


def test_without_its_witness_a_sound_file_is_still_sound(spool_files: tuple[Path, Known]) -> None:
    folder, known = spool_files
    with copy_of(folder) as path:
        path.with_name(WITNESS).unlink()
        assert outcome(path, known).lost == set()


def test_a_flipped_witness_is_no_witness(spool_files: tuple[Path, Known]) -> None:
    folder, known = spool_files
    for seed in range(10):
        with copy_of(folder) as path:
            flip(path.with_name(WITNESS), random.Random(seed))
            assert outcome(path, known).lost == set()


def test_without_its_witness_a_flip_costs_one_frame_all_the_same(spool_files: tuple[Path, Known]) -> None:
    folder, known = spool_files
    rng = random.Random(4)
    for _ in range(20):
        with copy_of(folder) as path:
            path.with_name(WITNESS).unlink()
            flip(path, rng)
            assert len(outcome(path, known).lost) <= 1


def flip(path: Path, rng: random.Random, times: int = 1) -> None:
    """Changes bytes of a file."""
    raw = bytearray(path.read_bytes())
    for _ in range(times):
        raw[rng.randrange(len(raw))] ^= rng.randrange(1, 256)
    path.write_bytes(raw)
