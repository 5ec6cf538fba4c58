"""Models for tests: a machine that runs hot and idles cool, and a forest that learned just that."""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np

from collector.readings import NS_PER_S
from collector.spool.frames import NewModel
from detectors.models.model import ForestModel, model_id, pack
from detectors.models.training import ForestOptions, Trained, Window, train

METRICS, UNITS = ("temperature", "state"), ("Cel", "1")
T0_NS = 1_751_000_000 * NS_PER_S
OPTIONS = ForestOptions()


def window(rows: int = 3000, seed: int = 1, *, hot: float = 20.0, cool: float = 10.0, idle: int = 3) -> Window:
    """One row each 5 s: `hot` while it runs, `cool` in each `idle`th stretch of 20 rows."""
    rng = np.random.default_rng(seed)
    runs = (np.arange(rows) // 20) % idle != 0
    temperature = np.where(runs, hot, cool) + rng.normal(0.0, 1.0, rows)
    at_ns = T0_NS + np.arange(rows, dtype=np.int64) * 5 * NS_PER_S
    values = np.column_stack([temperature, runs.astype(float)])
    return Window(METRICS, UNITS, at_ns, values, np.zeros(rows, np.bool_), 0.0)


def lesson(of: Window, in_use: ForestModel | None = None, options: ForestOptions = OPTIONS, **how: bool) -> Trained:
    return train("isolation_forest", "north/hall/press/cell", 1, of, options, in_use, **how)


@cache
def taught() -> ForestModel:
    model = lesson(window()).model
    assert model is not None
    return model


def kept(model: ForestModel | None = None) -> tuple[NewModel, bytes]:
    """The news of a model and its bytes."""
    model = model or taught()
    body = pack(model)
    return NewModel(model.rule, model.subject, model_id(model.rule, model.subject, body), 1), body


def renamed(model: ForestModel, subject: str) -> ForestModel:
    return msgspec.structs.replace(model, subject=subject)
