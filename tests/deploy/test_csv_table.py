"""Tables as historians and spreadsheets export them: every case of tests/cases/tables is read as expected.json says."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from deploy.tables.columns import Choice
from deploy.tables.csv_rows import TableError
from deploy.tables.csv_table import before, read_table

CASES = Path(__file__).parents[1] / "cases" / "tables"
EXPECTED = json.loads((CASES / "expected.json").read_text())


def table(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_case_is_expected() -> None:
    assert {path.stem for path in CASES.glob("*.csv")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_table_is_read_as_it_is_meant(name: str) -> None:
    found, expected = read_table(CASES / f"{name}.csv", Choice()), EXPECTED[name]
    assert list(found.table.names) == expected["names"]
    assert (found.table.at_ns // 1_000_000).tolist() == expected["at_ms"]
    values = [[np.nan if value is None else value for value in row] for row in expected["values"]]
    np.testing.assert_array_equal(found.table.value, np.array(values))
    assert found.row.tolist() == expected["row"]
    assert [notice.partition(": ")[2] for notice in found.notices] == expected["notices"]


def test_times_without_a_zone_are_those_of_the_zone_given(tmp_path: Path) -> None:
    path = table(tmp_path, "time,a\n2024-07-01 08:00:00,1\n2024-07-01 08:00:01,2\n")
    found = read_table(path, Choice(zone=ZoneInfo("Asia/Shanghai")))
    assert found.table.at_ns[0] == dt.datetime(2024, 7, 1, tzinfo=dt.UTC).timestamp() * 1e9


@pytest.mark.parametrize("written", ["31.03.2024 {}", "31-Mar-24 {}", "2024-03-31 {}", "20240331{}"])
def test_the_day_on_which_clocks_are_put_forward_is_read_as_the_wall_shows_it(tmp_path: Path, written: str) -> None:
    clocks = ["01:30:00", "03:30:00"] if "-" in written or "." in written else ["013000", "033000"]
    path = table(tmp_path, "time,a\n" + "".join(f"{written.format(clock)},{i}\n" for i, clock in enumerate(clocks)))
    assert np.diff(read_table(path, Choice(zone=ZoneInfo("Europe/Berlin"))).table.at_ns).tolist() == [3600 * 10**9]


@pytest.mark.filterwarnings("error")
def test_a_zone_in_a_later_row_is_read_without_a_word_of_the_libraries(tmp_path: Path) -> None:
    path = table(tmp_path, "time,a\n2024-03-01 06:00:00,1\n2024-03-01 06:00:10 UTC,2\n2024-03-01 06:00:20Z,3\n")
    assert np.diff(read_table(path, Choice()).table.at_ns).tolist() == [10**10] * 2


def test_seconds_that_count_past_thirty_thousand_are_no_days_of_a_spreadsheet(tmp_path: Path) -> None:
    path = table(tmp_path, "time,a\n" + "".join(f"{45_000 + i / 100:.2f},{i}\n" for i in range(9)))
    assert read_table(path, Choice()).table.step_ns == 10_000_000


def test_what_is_left_of_a_file_that_was_parted_wrongly_says_how(tmp_path: Path) -> None:
    path = table(tmp_path, "time!a\n2024-07-01 08:00:00!1\n2024-07-01 08:00:01!2\n")
    with pytest.raises(TableError, match=r"read with .+ between columns"):
        read_table(path, Choice())


def test_a_person_can_choose_what_is_judged(tmp_path: Path) -> None:
    path = table(tmp_path, "time,a1,a2,b,label\n" + "".join(f"2024-07-01 08:00:0{i},{i},1,2,0\n" for i in range(5)))
    assert read_table(path, Choice(columns=("a*", "label"))).table.names == ("a1", "a2", "label")
    assert read_table(path, Choice(without=("a?",))).table.names == ("b",)


@pytest.mark.parametrize(
    ("text", "choice", "told"),
    [
        ("", Choice(), "holds no row"),
        ("time,a\n", Choice(), "holds no row below the names"),
        ("time,a\n2024-07-01 08:00:00,x\n2024-07-01 08:00:01,y\n", Choice(), "no column of numbers is left"),
        ("time,a\n2024-07-01 08:00:00,1\n", Choice(time="when"), "no column 'when'; there is time, a"),
        ("time,a\n2024-07-01 08:00:00,1\n", Choice(columns=("c*",)), "no column fits 'c\\*'; there is time, a"),
        ("a,b\n1,2\n0,1\n", Choice(time="a"), "column 'a' holds no times that can be read"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(tmp_path: Path, text: str, choice: Choice, told: str) -> None:
    with pytest.raises(TableError, match=told) as refused:
        read_table(table(tmp_path, text), choice)
    assert str(refused.value).startswith(str(tmp_path / "table.csv"))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="name a CSV file"):
        read_table(tmp_path / "none.csv", Choice())


def test_a_table_that_teaches_comes_before_at_the_same_time_of_day(tmp_path: Path) -> None:
    rows = "".join(f"2024-07-01 08:00:{i:02d},{i},{i}\n" for i in range(10))
    judged = read_table(table(tmp_path, "time,a,b\n" + rows), Choice(without=("b",)))
    taught = read_table(table(tmp_path, "time,b,a\n" + rows, "other.csv"), Choice())
    whole, rows_taught = before(taught, judged)
    assert rows_taught == 10
    assert whole.row.tolist() == list(range(10, 20))
    assert whole.table.names == ("a",)
    assert whole.table.at_ns[10] - whole.table.at_ns[0] == 86_400 * 10**9


def test_a_table_that_lacks_a_column_cannot_teach(tmp_path: Path) -> None:
    judged = read_table(table(tmp_path, "time,a,b\n2024-07-01 08:00:00,1,2\n2024-07-01 08:00:01,1,2\n"), Choice())
    taught = read_table(table(tmp_path, "time,a\n2024-07-01 08:00:00,1\n", "other.csv"), Choice())
    with pytest.raises(TableError, match="lacks the column 'b'"):
        before(taught, judged)
