"""From the spool's history to a model at work: one log, and the same run each time it is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from collector import schema
from collector.readings import NS_PER_S, Batch, BatchBuilder, Equipment, Kind, Series
from collector.spool.frames import FrameKind, NewModel, Record, batch_frame, gap_frames, tick_frame
from collector.spool.ledger import Cause, Gap
from collector.spool.log import INPUTS
from collector.spool.spool import Spool
from collector.spool.state import ShardState
from detectors.calendar import Calendar
from detectors.detector import Context
from detectors.engine import SpoolShards
from detectors.line import LineLogic
from detectors.methods import isolation_forest
from detectors.models.model import unpack
from detectors.models.store import KEPT, ModelStore, Version
from detectors.models.trainer import Trainer
from detectors.models.training import ForestOptions
from detectors.rule import AlertRule
from detectors.settings import BoundRule, DetectSettings, TrainSettings
from detectors.worker import Detection
from tests.detectors.lessons import T0_NS

PLACE = Equipment("acme", "north", "", "press", "mill")
METRICS = (Series(PLACE, "temperature", "Cel"), Series(PLACE, "load", "1", Kind.STATE, ("idle", "run")))
LINE, CELL = "north/press", PLACE.path
OPTIONS = ForestOptions(min_rows=300)
RULE = BoundRule(
    "oddity",
    AlertRule(method="isolation_forest", name="oddity", keep_firing_for_s=30.0),
    lambda context: isolation_forest.build(OPTIONS, context),
)
STEPS = 900  # of 5 s


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool.sqlite") as opened:
        yield opened


def readings(spool: Spool, from_step: int, steps: int, *, up_by: float = 0.0) -> Batch:
    """Hot while it runs, cool while it idles; `up_by` is a fault."""
    ids = [spool.series.id_of(series) for series in METRICS]
    rng, builder = np.random.default_rng(from_step), BatchBuilder()
    for step in range(from_step, from_step + steps):
        at_ns = T0_NS + step * 5 * NS_PER_S
        runs = (step // 20) % 3 != 0
        values = (20.0 if runs else 10.0) + up_by + float(rng.normal()), float(runs)
        for given, value in zip(ids, values, strict=True):
            builder.add(given, at_ns, value, 0, at_ns)
    return builder.build()


def take(spool: Spool, batch: Batch, *, to_history: bool = True) -> None:
    """As a collector and its historian do."""
    with spool.transaction():
        frames = [batch_frame(LINE, batch.take(slice(at, at + 400))) for at in range(0, len(batch), 400)]
        spool.log.append([*frames, tick_frame(int(batch.at_ns[-1]))])
        if to_history:
            spool.history.take([batch])


def hear(spool: Spool, from_step: int, steps: int, *, up_by: float = 0.0, to_history: bool = True) -> None:
    with spool.transaction():
        batch = readings(spool, from_step, steps, up_by=up_by)
    take(spool, batch, to_history=to_history)


def train(spool: Spool, *, accept: bool = False, **settings: float) -> Version:
    (version,) = Trainer(spool, [RULE], Calendar(), TrainSettings(**settings)).run(accept=accept)
    return version


def detect(spool: Spool) -> None:
    worker = Detection(spool, [RULE], DetectSettings(), Calendar())
    while worker.step():
        pass


def detect_one_frame_at_a_time(spool: Spool) -> None:
    """A new worker for each frame: it is restored from what the last one committed."""
    shards, done = SpoolShards(spool), 0
    while frames := spool.log.read(done, 1, shard=LINE, kinds=INPUTS):
        logic = LineLogic([RULE], DetectSettings(), Context(spool.series, Calendar(), LINE, ModelStore(spool).read))
        before = shards.load(LINE)
        logic.restore(before.body, before.version)
        for one in logic.apply(frames):
            shards.emit(LINE, one)
        done = frames[-1].offset
        shards.commit(LINE, ShardState(done, before.rev + 1, logic.version, logic.snapshot()), before.rev)


def events(spool: Spool, kind: str) -> list[dict[str, object]]:
    return [one.detail for one in spool.log.latest(schema.ALERT_EVENT.name) if one.detail["kind"] == kind]


def said(spool: Spool) -> list[Record]:
    bodies = [frame.body for frame in spool.log.read(0, 100_000, kinds=(FrameKind.RECORD,))]
    return [one for one in bodies if isinstance(one, Record) and one.measurement != schema.WATCH_BEAT.name]


def test_a_model_trained_from_history_finds_the_fault_and_says_which_metric(spool: Spool) -> None:
    hear(spool, 0, STEPS)
    version = train(spool)
    assert (version.number, version.refused, version.lesson.rows) == (1, "", STEPS - 1)
    assert unpack(version.model_id, ModelStore(spool).read(version.model_id)).rule == "oddity"
    hear(spool, STEPS, 300)
    detect(spool)
    assert events(spool, "isolation_forest") == []
    hear(spool, STEPS + 300, 100, up_by=12.0)
    detect(spool)
    (alert,) = events(spool, "isolation_forest")
    assert alert["subject"] == CELL
    evidence = alert["evidence"]
    assert isinstance(evidence, dict)
    assert evidence["model"] == version.model_id
    assert evidence["temperature_share_ratio"] > 0.3


def test_before_any_model_it_is_quiet(spool: Spool) -> None:
    hear(spool, 0, 300)
    hear(spool, 300, 100, up_by=50.0)
    detect(spool)
    assert events(spool, "isolation_forest") == events(spool, "method_failed") == []


def test_a_replay_of_the_log_is_the_same_run_swap_and_restarts_included(tmp_path: Path) -> None:
    runs = []
    for step in (detect, detect_one_frame_at_a_time):
        with Spool.open(tmp_path / f"{step.__name__}.sqlite") as spool:
            hear(spool, 0, STEPS)
            train(spool)
            hear(spool, STEPS, 100, up_by=12.0)
            train(spool, accept=True)
            hear(spool, STEPS + 100, 200)
            step(spool)
            runs.append(said(spool))
    assert len(runs[0]) > 10
    assert runs[0] == runs[1]


def test_training_is_told_by_the_log_in_a_frame_that_names_the_model_and_does_not_carry_it(spool: Spool) -> None:
    hear(spool, 0, STEPS)
    version = train(spool)
    (frame,) = spool.log.read(0, 1000, kinds=(FrameKind.CONTROL,))
    assert frame.body == NewModel("oddity", CELL, version.model_id, spool.log.clock_ns())
    assert frame.shard == LINE


def test_a_refused_training_is_an_alert_and_the_model_in_use_stays(spool: Spool) -> None:
    hear(spool, 0, STEPS)
    first = train(spool)
    hear(spool, STEPS, STEPS, up_by=30.0)
    second = train(spool, window_d=STEPS * 5 / 86_400)
    assert "odd to" in second.refused
    assert (second.number, second.model_id) == (2, "")
    hear(spool, 2 * STEPS, 20, up_by=30.0)
    detect(spool)
    (alert,) = events(spool, "model_unusable")
    assert "training was refused" in str(alert["evidence"])
    assert events(spool, "isolation_forest"), "the first model is at work"
    assert ModelStore(spool).in_use("oddity", CELL) == first.model_id
    assert train(spool, accept=True).model_id
    hear(spool, 2 * STEPS + 20, 50, up_by=30.0)
    detect(spool)
    (alert,) = events(spool, "model_unusable")
    assert alert["resolved_at_ns"], "the next good model ends it"


@pytest.mark.parametrize("spoiled", [b"", b"nonsense"])
def test_a_model_that_is_gone_or_spoiled_is_an_alert_and_the_one_before_stays(spool: Spool, spoiled: bytes) -> None:
    hear(spool, 0, STEPS)
    first, second = train(spool), None
    hear(spool, STEPS, 300)
    second = train(spool)
    assert second.model_id != first.model_id
    with spool.transaction():
        spool.remember(f"model {second.model_id}", spoiled)
    hear(spool, STEPS + 300, 100, up_by=12.0)
    detect(spool)
    (alert,) = events(spool, "model_unusable")
    assert "train again" in str(alert["evidence"])
    (found,) = events(spool, "isolation_forest")
    assert found["evidence"]["model"] == first.model_id  # type: ignore[index]
    assert events(spool, "method_failed") == []


def test_a_restart_without_its_model_is_quiet_and_says_so(spool: Spool) -> None:
    hear(spool, 0, STEPS)
    version = train(spool)
    detect(spool)
    with spool.transaction():
        spool.forget(f"model {version.model_id}")
    hear(spool, STEPS, 100, up_by=30.0)
    detect(spool)
    assert events(spool, "isolation_forest") == []
    (alert,) = events(spool, "model_unusable")
    assert "is not in the spool" in str(alert["evidence"])


def test_the_newest_models_are_kept_and_the_older_ones_go(spool: Spool) -> None:
    hear(spool, 0, STEPS)
    versions = [train(spool, window_d=0.04 + i / 100) for i in range(2)]
    store = ModelStore(spool)
    model = unpack(versions[0].model_id, store.read(versions[0].model_id))
    for at in range(KEPT + 3):
        store.put(LINE, msgspec.structs.replace(model, trained_at_ns=at), versions[0])
    kept = store.versions("oddity", CELL)
    assert [one.number for one in kept] == list(range(6, 6 + KEPT))
    assert all(store.read(one.model_id) for one in kept)
    assert not store.read(versions[0].model_id)


def test_time_in_which_another_rule_had_an_alert_is_not_learned_from(spool: Spool) -> None:
    hear(spool, 0, STEPS)
    detail = {"key": "stuck:x", "kind": "stuck", "subject": "x", "shard": LINE, "series": "x", "severity": "warning"}
    times = {"state": "normal", "active_at_ns": T0_NS, "resolved_at_ns": T0_NS + 180 * 5 * NS_PER_S}
    record = Record(schema.ALERT_EVENT.name, {}, {}, T0_NS, key="stuck:x@1", detail={**detail, **times})
    with spool.transaction():
        spool.log.say(LINE, "alert|stuck:x@1", record)
    version = train(spool)
    assert version.lesson.rows == STEPS - 1 - 180
    assert version.lesson.metrics["troubled_ratio"] == pytest.approx(0.2, abs=0.01)


def test_a_window_with_gaps_is_refused(spool: Spool) -> None:
    hear(spool, 0, STEPS)
    with spool.transaction():
        gap = Gap("node", Cause.SEQ_GAP, T0_NS, T0_NS + STEPS // 2 * 5 * NS_PER_S, 9, "", LINE, PLACE.cell)
        spool.log.append(gap_frames([gap]))
    assert "50% of the window is missing" in train(spool).refused


def test_training_is_due_by_the_sites_clock(spool: Spool) -> None:
    trainer = Trainer(spool, [RULE], Calendar(), TrainSettings(every_h=1.0))
    assert not trainer.is_due(), "no time yet"
    hear(spool, 0, STEPS)
    assert trainer.is_due()
    trainer.run()
    assert not trainer.is_due()
    hear(spool, STEPS, 800, to_history=False)
    assert trainer.is_due()
    assert not Trainer(spool, [RULE], Calendar(), TrainSettings(every_h=0.0)).is_due()
    assert not Trainer(spool, [], Calendar(), TrainSettings()).is_due()
