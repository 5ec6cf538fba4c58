"""The benchmark reads its files, judges, and writes what the original scorer reads."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from deploy.bench import nab
from deploy.bench.figure import Given, NotMeasured
from deploy.bench.nab_files import THRESHOLD, BadCorpus, onsets, read_corpus, write_results
from deploy.cli import app

CORPUS = Path(__file__).parents[1] / "cases" / "nab"
SPEED = "realTraffic/speed_7578.csv"


def test_every_figure_is_measured_and_results_are_written(tmp_path):
    values = nab.once(Given(CORPUS, tmp_path))
    assert len(values) == len(nab.FIGURES)
    unknown = [figure.name for figure, value in zip(nab.FIGURES, values, strict=True) if math.isnan(value)]
    assert unknown == ["the two industrial files"]  # they are not among these
    written = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.csv"))
    assert written == [
        "andon/realAdExchange/andon_exchange-3_cpc_results.csv",
        "andon/realTraffic/andon_speed_7578.csv",
    ]


def test_the_frames_of_a_log_give_the_scores_that_are_judged():
    file = next(file for file in read_corpus(CORPUS) if file.name == SPEED)
    at = nab._is_newer(file.at_ns)
    scores = nab._detector().score(nab._batch(file.at_ns, file.value))
    np.testing.assert_array_equal(scores.score, nab._say(file).score[at])


def test_a_result_file_marks_each_alarm_once(tmp_path):
    file = next(file for file in read_corpus(CORPUS) if file.name == SPEED)
    score = np.full(len(file.value), 0.2)
    score[:100] = np.nan
    score[400:420] = 3.0
    write_results(tmp_path, "andon", file, score)
    with (tmp_path / "andon" / "realTraffic" / "andon_speed_7578.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0]) == ["timestamp", "value", "anomaly_score", "label"]
    told = [float(row["anomaly_score"]) for row in rows]
    assert [i for i, one in enumerate(told) if one >= THRESHOLD] == [400] == np.flatnonzero(onsets(score)).tolist()
    assert all(0.0 <= one <= 1.0 for one in told)
    assert [row["timestamp"] for row in rows] == list(file.told)
    assert sum(int(row["label"]) for row in rows) == file.in_window.sum()


@pytest.mark.parametrize(
    ("broken", "text", "says"),
    [
        ("labels/combined_windows.json", "{", "combined_windows.json"),
        (f"data/{SPEED}", "timestamp,value\n2015-09-08 11:39:00,seventy\n", "speed_7578.csv.*seventy.*again"),
        (f"data/{SPEED}", "timestamp,value\n2015-09-08 11:39:00,70\n", "speed_7578.csv.*where no row is"),
    ],
)
def test_a_broken_corpus_is_refused_by_name(tmp_path, broken, text, says):
    for file in CORPUS.rglob("*.*"):
        copy = tmp_path / file.relative_to(CORPUS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    (tmp_path / broken).write_text(text)
    with pytest.raises(BadCorpus, match=says):
        read_corpus(tmp_path)


def test_without_the_data_it_says_what_to_fetch(monkeypatch, tmp_path):
    monkeypatch.delenv("ANDON_NAB", raising=False)
    with pytest.raises(NotMeasured, match=r"fetch .*numenta/NAB"):
        nab.once(Given())
    monkeypatch.setenv("ANDON_NAB", str(tmp_path))
    with pytest.raises(NotMeasured, match="holds no labels"):
        nab.once(Given())


def test_a_folder_that_was_named_and_holds_no_data_is_a_mistake(tmp_path):
    told = CliRunner().invoke(app, ["bench", "nab", str(tmp_path)])
    assert isinstance(told.exception, NotMeasured)


@pytest.mark.parametrize("words", [["formats", "/data"], ["formats", "--out", "/data"]])
def test_a_folder_goes_with_the_benchmark_that_reads_it(words):
    result = CliRunner().invoke(app, ["bench", *words])
    assert result.exit_code == 2
