"""`andon score` and `andon backtest`: how fast a person has an answer.

A table of 100,000 rows is read, judged by a light method and written: a million rows are to last a minute at most.
Then the first half hour of the teaching factory's capture is replayed with its own rules.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from collector.readings import NS_PER_S
from collector.spool.spool import Spool
from deploy.backtest.replaying import replay_messages
from deploy.bench.figure import Figure
from deploy.demo import SITES, playback_of
from deploy.score import chosen
from deploy.site import load_site
from deploy.tables.columns import Choice
from deploy.tables.csv_table import read_table
from deploy.tables.verdict_file import write_verdicts
from detectors.offline.judging import judged

FIGURES = (
    Figure("score: a table of one column, from file to file with `limits`", "rows/s", 16_700, 100_000, at_most=False),
    Figure("backtest: the teaching factory", "plant s/s", must=100, aim=1_000, at_most=False),
)
_ROWS = 100_000
_REPLAYED_NS = 1800 * NS_PER_S


def once() -> Sequence[float]:
    """One run in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder:
        return (_scored(Path(folder)), _replayed(Path(folder)))


def _scored(folder: Path) -> float:
    values = np.random.default_rng(1).normal(20, 1, _ROWS)
    instants = (np.datetime64("2024-03-01T00:00:00") + np.arange(_ROWS)).astype(str)
    rows = (f"{at},{value:.3f}\n" for at, value in zip(instants, values, strict=True))
    (folder / "table.csv").write_text("time,level\n" + "".join(rows))
    began = time.perf_counter()
    found = read_table(folder / "table.csv", Choice())
    method = chosen("limits", ("low=15", "high=24"), found.table.step_ns)
    verdicts = judged(found.table, method.build)
    write_verdicts(folder / "out" / "table.csv", found, verdicts, verdicts.score >= 1.0, 0)
    return _ROWS / (time.perf_counter() - began)


def _replayed(folder: Path) -> float:
    site = load_site(SITES / "teaching_factory" / "site.toml")
    messages = playback_of(site.folder).messages
    first = next(messages)
    began = time.perf_counter()
    with Spool.open(folder / "spool.sqlite") as spool:
        until_ns = first.at_ns + _REPLAYED_NS
        stretch = replay_messages(messages, until_ns, site, spool, lambda count, at_ns: None)
    return (stretch.to_ns - stretch.from_ns) / NS_PER_S / (time.perf_counter() - began)
