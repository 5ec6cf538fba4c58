"""Isolation forest: what the sensors of a cell show together is unlike what they showed before.

Input: GAUGE and STATE series, one row for each cell and `every_s` (see `detectors.cells`). The forest is trained apart
(`andon train`, [train] of site.toml) and comes by the log, so a replay swaps at the same place; before the first it is
quiet. The score is the exponential mean of the forest's over `smooth_rows`, 1.0 where the model expects
`alarms_per_d` a day and cell. Output: alerts are about the cell; value and band are those of the metric furthest out.

Source: Liu, Ting and Zhou, Isolation Forest (ICDM 2008). It fails for what is odd only in the order of rows, for a
metric that was constant in training (no feature: give it `limits`), for a single odd row, which the mean hides (give
it `novelty`), and for a machine that runs as never before by intent, until it is trained again with `--accept`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import Batch, Series
from collector.spool.frames import NewModel
from collector.spool.ledger import Gap
from detectors.cells import PerCell, Rows, Verdict
from detectors.detector import NAN, Context, Evidence, Point, Scores
from detectors.models.cell_forest import CellForest, smoothed
from detectors.models.model import ModelError, unpack, unusable
from detectors.models.training import ForestOptions

_TOLD = 3  # metrics in the evidence

Options = ForestOptions


class Judged(msgspec.Struct):
    """What is kept of a cell: which model judges it, why it has no newer one, the mean so far and the last row."""

    model_id: str = ""
    fault: str = ""
    smooth: float = NAN
    row: dict[str, float] = {}


def build(options: ForestOptions, context: Context) -> IsolationForest:
    return IsolationForest(options, context)


class IsolationForest:
    """A Detector, and `detectors.models.taught.Taught`."""

    def __init__(self, options: ForestOptions, context: Context) -> None:
        self.options = options
        self._forests = Forests(context)
        self._cells = PerCell(self._forests, Judged, context, every_s=options.every_s, stale_s=options.stale_s)

    def swap(self, news: NewModel) -> None:
        memory = self._cells.memory_of(news.subject)
        memory.fault = news.refused and f"training was refused: {news.refused}"
        if not news.refused:
            self._forests.swap(memory, news.model_id)

    def faults(self) -> Mapping[str, str]:
        told = {name: self._forests.fault(memory) for name, memory in self._cells.memories.items()}
        return {name: why for name, why in told.items() if why}

    def score(self, batch: Batch) -> Scores:
        return self._cells.score(batch)

    def tick(self, at_ns: int) -> Scores:
        return self._cells.tick(at_ns)

    def miss(self, gap: Gap) -> None:
        self._cells.miss(gap)

    def subject(self, series: Series) -> str:
        return self._cells.subject(series)

    def explain(self, series: int, at_ns: int) -> Evidence:
        return self._cells.explain(series, at_ns)

    def snapshot(self) -> bytes:
        return self._cells.snapshot()

    def restore(self, state: bytes) -> None:
        """Models are taken up again by their ids; a cell whose model is not kept any more is quiet, and says so."""
        self._cells.restore(state)
        for memory in self._cells.memories.values():
            self._forests.take_up(memory)


class Forests:
    """Judge of cells by forests: those in use, by id."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._in_use: dict[str, CellForest] = {}
        self._lost: dict[str, str] = {}  # why one that a memory names is not in use

    def start(self, cell: str) -> Judged:
        return Judged()

    def swap(self, memory: Judged, model_id: str) -> None:
        """Judges by this model from now on; by the one before where it cannot be used."""
        try:
            self._load(model_id)
        except ModelError as error:
            memory.fault = str(error)
            return
        self._in_use.pop(memory.model_id if memory.model_id != model_id else "", None)
        memory.model_id, memory.smooth = model_id, NAN

    def take_up(self, memory: Judged) -> None:
        """Loads the model that a restored memory names; without it the cell is not judged."""
        if memory.model_id:
            try:
                self._load(memory.model_id)
            except ModelError as error:
                self._lost[memory.model_id] = str(error)

    def fault(self, memory: Judged) -> str:
        """Why a cell has not the model it should have; empty when it has."""
        return self._lost.get(memory.model_id, memory.fault)

    def judge(self, memory: Judged, rows: Rows) -> list[Verdict]:
        forest = self._in_use.get(memory.model_id)
        if forest is None:
            return [Verdict(rows.series[0], Point())] * len(rows)
        metrics = [self._context.series[series].metric for series in rows.series]
        values = forest.values(metrics, rows.values)
        seen = forest.seen(values)
        smooth = smoothed(forest.odd(seen).tolist(), memory.smooth, forest.model.smooth_rows)
        memory.smooth = next((one for one in reversed(smooth) if not math.isnan(one)), memory.smooth)
        last = zip(metrics, rows.values[-1].tolist(), strict=True)
        memory.row = {metric: value for metric, value in last if not math.isnan(value)}
        furthest = np.nan_to_num(np.abs(seen), nan=-1.0).argmax(axis=1)
        return _verdicts(forest, dict(zip(metrics, rows.series, strict=True)), values, furthest, smooth)

    def explain(self, memory: Judged) -> Evidence:
        forest = self._in_use.get(memory.model_id)
        if forest is None or not memory.row:
            return {"model": memory.model_id}
        model = forest.model
        seen = forest.seen(forest.values(list(memory.row), np.array([list(memory.row.values())])))[0]
        shares = forest.shares(seen)
        told = sorted(model.features, key=lambda feature: -shares[feature.metric])[:_TOLD]
        evidence: Evidence = {"model": memory.model_id, "trained_at_s": model.trained_at_ns / 1e9}
        for feature in told:
            evidence[f"{feature.metric}_share_ratio"] = round(shares[feature.metric], 3)
            evidence[feature.metric] = memory.row.get(feature.metric, NAN)
            evidence[f"{feature.metric}_usual"] = f"{feature.low:.6g} to {feature.high:.6g} {feature.unit}"
        known = {feature.metric for feature in model.features} | model.lesson.left_out.keys()
        untaught = ", ".join(sorted(memory.row.keys() - known))
        return {**evidence, "not_in_training": untaught} if untaught else evidence

    def _load(self, model_id: str) -> None:
        """Raises ModelError."""
        if model_id in self._in_use:
            return
        model = unpack(model_id, self._context.models(model_id))
        try:
            self._in_use[model_id] = CellForest(model)
        except ValueError as error:
            raise unusable(model_id, f"cannot be used ({error})") from error


def _verdicts(
    forest: CellForest,
    series: Mapping[str, int],
    values: NDArray[np.float64],
    furthest: NDArray[np.intp],
    smooth: list[float],
) -> list[Verdict]:
    """Each row's score, told about the metric that is furthest out, in its own unit and with its own band."""
    features, any_series = forest.model.features, next(iter(series.values()))
    shown = values[np.arange(len(values)), furthest].tolist()
    said = []
    for place, value, one in zip(furthest.tolist(), shown, smooth, strict=True):
        of = features[place]
        point = Point(forest.scaled(one), value, of.low, of.mid, of.high)
        said.append(Verdict(series.get(of.metric, any_series), Point() if math.isnan(one) else point))
    return said
