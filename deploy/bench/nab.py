"""`novelty` on the Numenta Anomaly Benchmark: one setting and one shipped threshold for all 58 files.

Beside each figure stands what settings chosen on one half of the files come to on the other, both ways, over 20 random
halves: what knowing the labels is worth to these two settings. An alarm is judged once, at its first row.
"""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector.readings import Batch, Equipment, Quality, Series
from deploy.bench.figure import Figure, Given, NotMeasured
from deploy.bench.nab_files import Labelled, onsets, read_corpus, write_results
from detectors.calendar import Calendar
from detectors.detector import Context, Detector
from detectors.judged.halves import across_halves
from detectors.judged.nab import LOW_FN, LOW_FP, STANDARD, Judge, score
from detectors.methods import novelty
from detectors.novel import quiet

TAKES = "the folder of the benchmark (data/ and labels/)"
RUNS = 1  # the scores are the same in every run
FIGURES = (
    Figure("standard profile", "of 100", must=75, aim=78, at_most=False),
    Figure("low-FP profile", "of 100", must=68, aim=71, at_most=False),
    Figure("low-FN profile", "of 100", at_most=False),
    Figure("settings chosen on the other half, median of 20", "of 100", must=72, aim=74, at_most=False),
    Figure("the same, worst of 20", "of 100", at_most=False),
    Figure("the two industrial files", "of 100", must=88, aim=92, at_most=False),
    Figure("windows found", "of all", at_most=False),
    Figure("false alarms", "in all files"),
    Figure("readings", "per s of CPU time", must=40_000, aim=100_000, at_most=False),
    Figure("state after 20,000 readings", "bytes", must=96 * 1024, aim=32 * 1024),
    Figure("the same as a share of that after 10,000", "times", must=1.05),
)
_INDUSTRIAL = ("ambient_temperature_system_failure", "machine_temperature_system_failure")
_FRAME = 1000
_SERIES = Series(Equipment("nab", "nab", "nab", "nab", "nab"), "value")
_THRESHOLDS = (1.5, 1.75, 2.0, 2.25, 2.5)
_HOLDS = (50, 100)

Judged = list[tuple[Judge, NDArray[np.bool_]]]


def conditions() -> str:
    return (
        "one setting for all files; each alarm judged at its first row; across halves threshold and hold are chosen, "
        "while the signals and their weights were settled with all files in view"
    )


def once(given: Given) -> list[float]:
    files = read_corpus(_folder(given))
    said = [_say(file) for file in files]
    if given.out is not None:
        for file, one in zip(files, said, strict=True):
            write_results(given.out, "andon", file, one.score)
    judged: Judged = [(file.judge, onsets(one.score)) for file, one in zip(files, said, strict=True)]
    industrial = [one for file, one in zip(files, judged, strict=True) if Path(file.name).stem in _INDUSTRIAL]
    halves = _halves(files, said)
    found, false = np.sum([judge.counts(alarms) for judge, alarms in judged], axis=0).tolist()
    return [
        *(score(judged, profile) for profile in (STANDARD, LOW_FP, LOW_FN)),
        float(np.median(halves)),
        float(halves.min()),
        score(industrial, STANDARD),
        found / sum(judge.windows for judge, _ in judged),
        false,
        _rate_per_s(max(files, key=lambda file: len(file.value))),
        *_state_bytes(),
    ]


class _Said(NamedTuple):
    """The score of each row and the sum that it judges, NaN where the method said nothing."""

    score: NDArray[np.float64]
    total: NDArray[np.float64]


def _say(file: Labelled) -> _Said:
    """Gives the file's rows to the method as its adapter does: those that are not newer are passed over."""
    options, memory = novelty.Options(), novelty.Past()
    said = _Said(np.full(len(file.value), np.nan), np.full(len(file.value), np.nan))
    at = np.flatnonzero(_is_newer(file.at_ns))
    total = novelty.take(memory, file.at_ns[at], file.value[at]).total
    judged = at[novelty.WARM_UP :]
    said.total[judged] = total[novelty.WARM_UP :]
    said.score[judged] = quiet.judged(memory.quiet, total[novelty.WARM_UP :], options.threshold, options.hold)
    return said


def _rate_per_s(file: Labelled) -> float:
    """Readings per second of CPU time when the file comes in frames, as from the line's log."""
    detector = _detector()
    cuts = [slice(begin, begin + _FRAME) for begin in range(0, len(file.value), _FRAME)]
    frames = [_batch(file.at_ns[cut], file.value[cut]) for cut in cuts]
    began_s = time.process_time()
    for frame in frames:
        detector.score(frame)
    return len(file.value) / (time.process_time() - began_s)


def _is_newer(at_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Rows newer than all before them: a method passes over the others."""
    return np.diff(np.maximum.accumulate(at_ns), prepend=0) > 0


def _detector() -> Detector:
    return novelty.build(novelty.Options(), Context({0: _SERIES}, Calendar(), "nab/nab"))


def _batch(at_ns: NDArray[np.int64], value: NDArray[np.float64]) -> Batch:
    n = len(at_ns)
    return Batch(np.zeros(n, np.int32), at_ns, value, np.full(n, Quality.GOOD, np.uint8), at_ns)


def _halves(files: list[Labelled], said: list[_Said]) -> NDArray[np.float64]:
    """What settings chosen on one half of the files come to on the other; learning does not depend on them."""
    settings = list(itertools.product(_THRESHOLDS, _HOLDS))
    points = np.empty((len(files), len(settings)))
    for i, (file, one) in enumerate(zip(files, said, strict=True)):
        for j, (threshold, hold) in enumerate(settings):
            points[i, j] = file.judge.points(onsets(_judged(one.total, threshold, hold)), STANDARD)
    silent = np.array([file.judge.silent(STANDARD) for file in files])
    perfect = np.array([STANDARD.hit * file.judge.windows for file in files])
    return across_halves(points, silent, perfect)


def _judged(total: NDArray[np.float64], threshold: float, hold: int) -> NDArray[np.float64]:
    """The scores that other settings would give."""
    memory, known = quiet.Quiet(), ~np.isnan(total)
    score = np.full(len(total), np.nan)
    score[known] = quiet.judged(memory, total[known].tolist(), threshold, hold)
    return score


def _state_bytes() -> tuple[float, float]:
    """The state of one noisy series after 20,000 readings, and how it compares with that after 10,000."""
    rng = np.random.default_rng(20)
    value, at_ns = rng.normal(20.0, 1.0, 20_000), np.arange(1, 20_001) * 300_000_000_000
    detector, sizes = _detector(), []
    for half in (slice(0, 10_000), slice(10_000, 20_000)):
        detector.score(_batch(at_ns[half], value[half]))
        sizes.append(len(detector.snapshot()))
    return sizes[1], sizes[1] / sizes[0]


def _folder(given: Given) -> Path:
    told = given.data or (Path(os.environ["ANDON_NAB"]) if "ANDON_NAB" in os.environ else None)
    if told is None or not (told / "labels" / "combined_windows.json").is_file():
        where = f"{told} holds no labels/combined_windows.json" if told else "its data are not part of this project"
        raise NotMeasured(
            f"{where}; fetch data/ and labels/combined_windows.json of github.com/numenta/NAB and run "
            "`andon bench nab DIR`, or name the folder in ANDON_NAB"
        )
    return told
