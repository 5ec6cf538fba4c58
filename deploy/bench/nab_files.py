"""The files of the Numenta Anomaly Benchmark: its data and windows in, result files for its own scorer out.

A corpus is a folder with `data/GROUP/FILE.csv` (timestamp, value) and `labels/combined_windows.json`. Results go to
`DETECTOR/GROUP/DETECTOR_FILE.csv` with the columns timestamp, value, anomaly_score, label; an anomaly score is between
0 and 1, and `THRESHOLD` marks an alarm.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.errors import AndonError
from detectors.judged.nab import Judge

THRESHOLD = 0.5
_NS_PER_S = 1_000_000_000


class BadCorpus(AndonError):
    """A file of the benchmark is not as its authors publish it; the sentence says which, and the remedy."""


class Labelled(NamedTuple):
    """One file: columns of one length n, and its judge. `name` is GROUP/FILE.csv."""

    name: str
    told: Sequence[str]  # the timestamps as the file writes them
    at_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    in_window: NDArray[np.bool_]
    judge: Judge


def read_corpus(folder: Path) -> list[Labelled]:
    """All labelled files, in order of name. Raises BadCorpus."""
    labels = folder / "labels" / "combined_windows.json"
    try:
        windows = msgspec.json.decode(labels.read_bytes(), type=dict[str, list[tuple[str, str]]])
    except (OSError, msgspec.MsgspecError) as error:
        raise BadCorpus(f"{labels}: {error}; give the folder that holds data/ and labels/ of the benchmark") from error
    return [_read(folder / "data" / name, name, windows[name]) for name in sorted(windows)]


def _read(file: Path, name: str, windows: Sequence[tuple[str, str]]) -> Labelled:
    try:
        with file.open(newline="") as lines:
            told, values = zip(*list(csv.reader(lines))[1:], strict=True)
        at_ns = np.array([_instant_ns(one) for one in told])
        value = np.array(values, np.float64)
        spans = [(_instant_ns(first), _instant_ns(last)) for first, last in windows]
        judge = Judge(at_ns, spans)
    except (OSError, ValueError) as error:
        raise BadCorpus(f"{file}: {error}; fetch the file again") from error
    in_window = np.zeros(len(at_ns), bool)
    for first, last in spans:
        in_window |= (at_ns >= first) & (at_ns <= last)
    return Labelled(name, told, at_ns, value, in_window, judge)


def _instant_ns(told: str) -> int:
    """2014-04-10 07:15:00, with or without a fraction; the benchmark knows no zone and we take UTC."""
    return int(np.datetime64(told.strip().replace(" ", "T"), "ns").astype(np.int64))


def onsets(score: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The first row of each alarm: to the benchmark every further row of it would be another alarm."""
    raised = score >= 1.0
    before = np.concatenate([[False], raised[:-1]])
    first: NDArray[np.bool_] = raised & ~before
    return first


def write_results(out: Path, detector: str, file: Labelled, score: NDArray[np.float64]) -> None:
    """Writes one result file; `score` float64[n] is 1.0 at the method's threshold, NaN where it said nothing."""
    group, name = file.name.split("/")
    folder = out / detector / group
    folder.mkdir(parents=True, exist_ok=True)
    level = np.nan_to_num(score / (1.0 + score))
    told = np.where(onsets(score), level, np.minimum(level, THRESHOLD - 0.001))
    with (folder / f"{detector}_{name}").open("w", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(("timestamp", "value", "anomaly_score", "label"))
        columns = (file.told, file.value.tolist(), told.tolist(), file.in_window.astype(int).tolist())
        rows.writerows(zip(*columns, strict=True))
