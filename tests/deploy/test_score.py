"""`andon score`: a historian's export in, a verdict for every row out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from collector.errors import AndonError
from deploy.cli import app

OF_ONE = ["time", "score", "expected_low", "expected", "expected_high", "alarm", "event"]


def score(folder: Path, *words: str | Path) -> list[dict[str, object]]:
    """Runs the command; what it says in JSON."""
    command = ["score", *map(str, words), "--out", str(folder / "out"), "--json"]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: list[dict[str, object]] = json.loads(result.stdout)
    return found


def refused(folder: Path, *words: str | Path) -> str:
    result = CliRunner().invoke(app, ["score", *map(str, words), "--out", str(folder / "out")])
    assert isinstance(result.exception, AndonError), result.output
    return str(result.exception)


def rows_of(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(encoding="utf-8", newline="") as lines:
        head, *rows = csv.reader(lines)
    return head, rows


@pytest.fixture
def frozen(tmp_path: Path) -> Path:
    """Two gauges with a decimal comma; one freezes from row 600 to 719. A third column is the answer."""
    rng = np.random.default_rng(1)
    lines = ["Zeit;Öl, °C;Druck;anomaly"]
    for i in range(1000):
        oil = "20,5" if 600 <= i < 720 else f"{rng.normal(20, 1):.3f}".replace(".", ",")
        pressure = f"{rng.normal(5, 0.1):.3f}".replace(".", ",")
        lines.append(f"01.03.2024 {i // 60:02d}:{i % 60:02d};{oil};{pressure};{int(600 <= i < 720)}")
    path = tmp_path / "export.csv"
    path.write_text("\n".join(lines) + "\n", encoding="cp1252")
    return path


def test_every_row_of_the_file_gets_its_verdict(tmp_path: Path, frozen: Path) -> None:
    (said,) = score(tmp_path, frozen, "--method", "stuck", "--train-rows", "400")
    head, rows = rows_of(tmp_path / "out" / "export.csv")
    assert head[:5] == ["time", "score", "alarm", "worst", "event"]
    assert head[5:10] == [f"Öl, °C.{what}" for what in OF_ONE[1:-1]]
    assert [row[0] for row in rows[:2]] == ["01.03.2024 00:00", "01.03.2024 00:01"]
    alarms = [i for i, row in enumerate(rows) if row[2] == "1"]
    assert 600 < alarms[0] < 640
    assert alarms[-1] == 719
    assert {rows[i][3] for i in alarms} == {"Öl, °C"}
    assert [i for i, row in enumerate(rows) if row[4] == "1"] == alarms[:1]
    assert all((float(row[1]) >= 1.0) == (row[2] == "1") for row in rows if row[1])
    assert (said["rows"], said["columns"], said["alarms"], said["stretches"]) == (1000, 2, len(alarms), 1)
    assert any("is the answer" in notice for notice in said["notices"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["mspc", "one_class_sgd"])
def test_a_long_lesson_and_a_total_blind_nobody(tmp_path: Path, method: str) -> None:
    rng = np.random.default_rng(2)
    level = rng.normal(50.0, 1.0, 4_700)
    level[4_500:4_600] += 8.0
    total = np.cumsum(rng.random(4_700) < 0.6)
    lines = [f"{i},{one:.3f},{other}" for i, (one, other) in enumerate(zip(level, total, strict=True))]
    (tmp_path / "long.csv").write_text("\n".join(["second,level,total", *lines]) + "\n")
    (said,) = score(tmp_path, tmp_path / "long.csv", "--method", method, "--train-rows", "4200")
    _, rows = rows_of(tmp_path / "out" / "long.csv")
    alarm = np.array([row[2] == "1" for row in rows])
    assert alarm[4_510:4_600].all()
    assert not alarm[:4_500].any()
    assert any("total: only rises" in notice for notice in said["notices"])  # type: ignore[attr-defined]


def test_one_column_has_its_band_beside_it(tmp_path: Path, frozen: Path) -> None:
    score(tmp_path, frozen, "--method", "limits", "--option", "low=4.9", "--option", "high=5.1", "--column", "Druck")
    head, rows = rows_of(tmp_path / "out" / "export.csv")
    assert head == OF_ONE
    assert rows[500][2:5] == ["4.9", "", "5.1"]
    assert {row[5] for row in rows} == {"0", "1"}


def test_rows_that_teach_raise_no_alarm(tmp_path: Path, frozen: Path) -> None:
    (said,) = score(tmp_path, frozen, "--method", "stuck", "--train-rows", "700")
    _, rows = rows_of(tmp_path / "out" / "export.csv")
    assert [i for i, row in enumerate(rows) if row[2] == "1"] == list(range(700, 720))
    assert said["taught_rows"] == 700


def test_a_file_can_teach_before_the_one_that_is_judged(tmp_path: Path, frozen: Path) -> None:
    lines = frozen.read_text(encoding="cp1252").splitlines()
    taught, judged = tmp_path / "taught.csv", tmp_path / "judged.csv"
    taught.write_text("\n".join(lines[:401]), encoding="cp1252")
    judged.write_text("\n".join([lines[0], *lines[601:]]), encoding="cp1252")
    (said,) = score(tmp_path, judged, "--method", "stuck", "--train", taught)
    _, rows = rows_of(tmp_path / "out" / "judged.csv")
    assert len(rows) == said["rows"] == 400
    assert [i for i, row in enumerate(rows) if row[2] == "1"][-1] == 119


def test_a_model_that_is_trained_apart_is_trained_on_the_first_rows(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(2)
    load = rng.uniform(0, 10, 2000)
    heat = 3 * load + rng.normal(0, 0.2, 2000)
    heat[1500:1560] = 35 - heat[1500:1560]  # each in its range, but not together
    path = tmp_path / "machine.csv"
    rows = (f"{1_709_251_200 + i},{load[i]:.4f},{heat[i]:.4f}" for i in range(2000))
    path.write_text("t,load,heat\n" + "\n".join(rows))
    (said,) = score(tmp_path, path, "--method", "isolation_forest", "--train-rows", "1000")
    head, written = rows_of(tmp_path / "out" / "machine.csv")
    assert head == ["time", "score", "alarm", "worst", "event"]
    known = np.array([float(row[1] or "nan") for row in written])
    assert np.nanmean(known[1505:1560]) > np.nanmean(known[1000:1500]) + 0.2
    assert said["taught_rows"] == 1000


def test_a_lesson_that_is_too_short_is_said(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    path = tmp_path / "short.csv"
    path.write_text("t,a,b\n" + "".join(f"{1_709_251_200 + i},{i % 7},{i % 5}\n" for i in range(200)))
    (said,) = score(tmp_path, path, "--method", "isolation_forest", "--train-rows", "20")
    notices = " ".join(said["notices"])  # type: ignore[arg-type, call-overload]
    assert "the lesson of the first 20 rows: " in notices
    assert "had nothing to say of these rows" in notices


def test_rows_without_a_time_and_repeated_ones_keep_their_place(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    seconds = ["00", "02", "01", "02", "??", *(f"{i:02d}" for i in range(3, 20))]
    path.write_text("time,a\n" + "".join(f"2024-03-01 00:00:{s},{i}\n" for i, s in enumerate(seconds)))
    score(tmp_path, path, "--method", "limits", "--option", "low=-1", "--option", "high=5")
    _, rows = rows_of(tmp_path / "out" / "rows.csv")
    assert len(rows) == len(seconds)
    assert rows[4] == ["2024-03-01 00:00:??", "", "", "", "", "0", "0"]
    assert rows[1][1:] == rows[3][1:]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--method", "magic"), "no such method; there is "),
        (("--method", "limits"), "limits cannot go without `low`; add --option low="),
        (("--method", "stuck", "--option", "pace=2"), "stuck has no such option; it has after_s, margin"),
        (("--method", "stuck", "--option", "margin=0"), "correct the value"),
        (("--method", "stuck", "--option", "margin"), "write key=value"),
        (("--method", "stuck", "--kind", "Druck=level"), "write COLUMN=KIND with one of gauge, counter, stock"),
        (("--method", "stuck", "--kind", "Luft=gauge"), "has no such column; it has "),
        (("--method", "stuck", "--train-rows", "1000"), "leaves none to judge; take fewer"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_a_sentence(
    tmp_path: Path, frozen: Path, words: tuple[str, ...], told: str
) -> None:
    assert told in refused(tmp_path, frozen, *words)


def test_two_files_of_one_name_would_overwrite_each_other(tmp_path: Path, frozen: Path) -> None:
    assert "score them into two folders" in refused(tmp_path, frozen, frozen, "--method", "stuck")


@pytest.mark.parametrize("by", ["name", "link", "train"])
def test_what_is_read_is_never_overwritten(tmp_path: Path, frozen: Path, by: str) -> None:
    was = frozen.read_bytes()
    target, words = frozen.parent, ["--method", "stuck"]
    if by == "link":
        target = tmp_path / "linked"
        target.mkdir()
        (target / frozen.name).hardlink_to(frozen)
    if by == "train":
        other = tmp_path / "other" / frozen.name
        other.parent.mkdir()
        other.write_bytes(was)
        words += ["--train", str(frozen)]
    given = other if by == "train" else frozen
    found = CliRunner().invoke(app, ["score", str(given), "--out", str(target), *words])
    assert "would overwrite" in str(found.exception)
    assert frozen.read_bytes() == was


def test_the_window_is_paced_to_the_rows(tmp_path: Path) -> None:
    """A counter of one row a minute, of which the method's own window of 5 min holds too few."""
    counts = np.floor(np.cumsum(np.where(np.arange(2160) >= 2040, 16.0, 20.0)))
    path = tmp_path / "line.csv"
    path.write_text("t,good\n" + "".join(f"{1_709_251_200 + 60 * i},{n:.0f}\n" for i, n in enumerate(counts)))
    (said,) = score(tmp_path, path, "--method", "output_drop", "--kind", "good=counter")
    _, rows = rows_of(tmp_path / "out" / "line.csv")
    alarms = [i for i, row in enumerate(rows) if row[-2] == "1"]
    assert 2040 <= alarms[0] <= 2064
    assert float(rows[2000][3]) == pytest.approx(1200, rel=0.02)
    assert "window_s" not in " ".join(said["notices"])  # type: ignore[arg-type, call-overload]
    (said,) = score(tmp_path, path, "--method", "output_drop", "--kind", "good=counter", "--option", "window_s=300")
    assert "window_s 300 holds fewer than 10 rows" in " ".join(said["notices"])  # type: ignore[arg-type, call-overload]


@pytest.mark.parametrize("method", ["mspc", "one_class_sgd", "isolation_forest"])
def test_the_reasons_name_the_columns_that_made_an_alarm_and_change_no_verdict(tmp_path: Path, method: str) -> None:
    rng = np.random.default_rng(1)
    load, noise = rng.normal(size=(2, 600, 3))
    values = 50.0 + load[:, :1] * np.array([3.0, 1.0, 2.0]) + 0.3 * noise
    values[500:, 1] += 8.0
    lines = [f"{i},{','.join(f'{one:.3f}' for one in row)}" for i, row in enumerate(values)]
    path = tmp_path / "pump.csv"
    path.write_text("\n".join(["time,flow,pressure 2,current", *lines]) + "\n", encoding="utf-8")
    found = []
    for word in ((), ("--explain",)):
        score(tmp_path, path, "--method", method, "--train-rows", "300", *word)
        found.append(rows_of(tmp_path / "out" / "pump.csv"))
    (head, plain), (more, explained) = found
    assert more == [*head, "reasons"]
    assert [row[:-1] for row in explained] == plain
    assert all(bool(row[-1]) is (row[2] == "1") for row in explained)
    assert explained[560][-1].startswith("pressure 2 ")
