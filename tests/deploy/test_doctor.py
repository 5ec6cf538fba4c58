"""`andon doctor` says what is wrong with a spool, mends it, and answers a script by its exit code."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from collector.readings import NS_PER_S
from collector.spool.frames import batch_frame
from collector.spool.spool import Spool
from deploy.cli import app
from tests.collector.batches import batch
from tests.collector.spools import LINE, append

SITE = Path(__file__).parents[2] / "deploy" / "sites" / "teaching_factory" / "site.toml"


@pytest.fixture
def spool_path(tmp_path: Path) -> Path:
    """Twenty frames of three readings each, which a store has not had."""
    path = tmp_path / "spool.sqlite"
    with Spool.open(path) as spool:
        with spool.transaction():
            spool.log.enrol(["sink:store"], among="sink:")
        append(spool, *(batch_frame(LINE, batch(*[(1, n * NS_PER_S, n / 3, 0, n)] * 3)) for n in range(1, 21)))
    return path


def doctor(spool_path: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor", str(SITE), "--spool", str(spool_path), *options])
    return result.exit_code, result.output


def damage(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def test_a_sound_spool_is_told_with_its_facts(spool_path: Path) -> None:
    code, said = doctor(spool_path)
    assert code == 0
    assert "sound\n" in said
    assert "20 frames were ever stored; 20 wait for the slowest reader" in said
    assert "open in: no process" in said


def test_a_frame_that_cannot_be_read_is_told_and_booked_by_repair(spool_path: Path) -> None:
    damage(spool_path, "UPDATE log SET body = x'00' WHERE offset = 7")
    code, said = doctor(spool_path)
    assert (code, "sound, but 1 frames with 3 readings cannot be read" in said) == (1, True)
    code, said = doctor(spool_path, "--repair")
    assert (code, "booked as lost: 3 damaged" in said) == (0, True)
    assert doctor(spool_path)[0] == 0


def test_a_damaged_file_is_told_and_left_until_repair(spool_path: Path) -> None:
    damage(spool_path, "DELETE FROM log WHERE offset = 7")
    for _ in range(2):
        code, said = doctor(spool_path)
        assert (code, "damaged (frame 7)" in said, "`andon doctor --repair` mends it" in said) == (1, True, True)
    code, said = doctor(spool_path, "--repair", "--json")
    found = json.loads(said)
    assert (code, found["fault"], found["readings_damaged"]) == (0, "", 3)
    assert "replaced file" in found["sizes"]


def test_a_spool_in_use_is_examined_beside_its_users(spool_path: Path) -> None:
    with Spool.open(spool_path):
        code, said = doctor(spool_path)
    assert (code, "open in: process" in said) == (0, True)


def test_without_a_spool_the_sentence_says_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", str(SITE), "--spool", str(tmp_path / "none.sqlite")])
    assert "does not exist: start `andon collect`" in str(result.exception)
