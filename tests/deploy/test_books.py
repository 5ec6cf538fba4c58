"""`andon dead list` and `andon ledger`: what is in the books is what a person reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from collector.readings import NS_PER_S
from collector.spool.dead import DeadLetter
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool
from deploy.cli import app

SITE = Path(__file__).parents[2] / "deploy" / "sites" / "teaching_factory" / "site.toml"
T0_NS = 1_720_730_486 * NS_PER_S


@pytest.fixture
def spool_path(tmp_path: Path) -> Path:
    path = tmp_path / "spool.sqlite"
    with Spool.open(path) as spool, spool.transaction():
        spool.dead.add(DeadLetter("plant/[bold]red", b"{oops", "not JSON: add a comma", T0_NS))
        spool.ledger.add(Gap("nanjing/inverter_1", Cause.SEQ_GAP, T0_NS, T0_NS + 9 * NS_PER_S, 3, "seq 5 was due"))
    return path


def answer(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_dead_letters_are_listed_with_their_reason(spool_path: Path) -> None:
    (row,) = json.loads(answer("dead", "list", str(SITE), "--spool", str(spool_path), "--json"))
    assert row.pop("id") == 1
    assert row == {"topic": "plant/[bold]red", "reason": "not JSON: add a comma", "times": 1, "payload": "{oops"}


def test_one_letter_is_shown_whole(spool_path: Path) -> None:
    shown = json.loads(answer("dead", "show", str(SITE), "1", "--spool", str(spool_path), "--json"))
    assert (shown["topic"], shown["payload"], shown["bytes"]) == ("plant/[bold]red", "{oops", 5)
    assert shown["received"] == "2024-07-11 20:41:26"


def test_bytes_that_are_no_text_are_shown_as_hex(spool_path: Path) -> None:
    with Spool.open(spool_path) as spool, spool.transaction():
        spool.dead.add(DeadLetter("spBv1.0/g/NDATA/n", b"\x08\xff\x00", "not Sparkplug", T0_NS))
    assert "08 ff 00" in answer("dead", "show", str(SITE), "2", "--spool", str(spool_path))


def test_a_letter_that_is_not_there_is_named(spool_path: Path) -> None:
    result = CliRunner().invoke(app, ["dead", "show", str(SITE), "7", "--spool", str(spool_path)])
    assert result.exit_code != 0
    assert "no dead letter 7" in str(result.exception)


def test_the_ledger_names_what_is_missing(spool_path: Path) -> None:
    (row,) = json.loads(answer("ledger", str(SITE), "--spool", str(spool_path), "--json"))
    assert row["asset"] == "nanjing/inverter_1"
    assert (row["cause"], row["missing"], row["note"]) == ("seq_gap", 3, "seq 5 was due")
    assert (row["from"], row["to"]) == ("2024-07-11 20:41:26", "2024-07-11 20:41:35")


def test_the_ledger_names_a_topic_of_which_nothing_could_be_read(spool_path: Path) -> None:
    with Spool.open(spool_path) as spool, spool.transaction():
        for second in range(3):
            at_ns = T0_NS + second * NS_PER_S
            spool.ledger.add(Gap("plant/[bold]red", Cause.DEAD_LETTER, at_ns, at_ns, 2, shard="site/line"))
    rows = json.loads(answer("ledger", str(SITE), "--spool", str(spool_path), "--json"))
    assert (rows[0]["asset"], rows[0]["cause"], rows[0]["missing"]) == ("plant/[bold]red", "dead_letter", 6)


def test_a_hostile_topic_is_text_in_the_table(spool_path: Path) -> None:
    assert "[bold]red" in answer("dead", "list", str(SITE), "--spool", str(spool_path)).replace("\n", "")
