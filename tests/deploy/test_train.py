"""`andon train`, and the schedule that starts it."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from threading import Event

import msgspec
import numpy as np
import pytest

from collector.config import ConfigError
from collector.readings import NS_PER_S, Batch, Equipment, Series
from collector.spool.frames import FrameKind, batch_frame, tick_frame
from deploy import training
from deploy.jobs import Jobs
from deploy.site import SiteFile, load_site
from detectors.methods import one_class_sgd
from detectors.models.training import ForestOptions
from detectors.settings import TrainSettings
from tests.deploy.test_cli import SITES, andon, changed, refusal

T0_NS = 1_751_000_000 * NS_PER_S
RULE = '\n[[rule]]\nmethod = "isolation_forest"\nline = "bottling"\nmin_rows = 200\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    shutil.copy(SITES / "teaching_factory" / "site.toml", tmp_path)
    shutil.copytree(SITES / "teaching_factory" / "chain", tmp_path / "chain")
    return changed(tmp_path / "site.toml", more=RULE)


def filled(path: Path, rows: int = 400) -> SiteFile:
    """The site, with readings of one cell in its spool."""
    site = load_site(path)
    with site.open_spool() as spool, spool.transaction():
        place = Equipment("acme", "teaching_factory", "", "bottling", "mill")
        ids = [spool.series.id_of(Series(place, metric)) for metric in ("temperature", "vibration", "fixed")]
        at_ns = np.repeat(T0_NS + np.arange(rows, dtype=np.int64) * 5 * NS_PER_S, 3)
        values = np.random.default_rng(1).normal(20.0, 1.0, (rows, 3))
        values[:, 2] = 7.0
        columns = (np.tile(np.array(ids, np.int32), rows), at_ns, values.ravel())
        batch = Batch(*columns, np.zeros(3 * rows, np.uint8), at_ns)
        spool.log.append([batch_frame("teaching_factory/bottling", batch), tick_frame(int(at_ns[-1]))])
        spool.history.take([batch])
    return site


def test_it_prints_window_rows_figures_and_drift_and_hands_the_model_over(site: Path) -> None:
    loaded = filled(site)
    answer = andon("train", site)
    assert answer.returncode == 0, answer.stderr
    for told in ("isolation_forest teaching_factory/bottling/mill: model 1", "399 quiet rows", "drift    no model"):
        assert told in answer.stdout
    assert "left out fixed (constant)" in answer.stdout
    again = andon("train", site, "--json")
    (version,) = json.loads(again.stdout)
    assert (version["number"], version["refused"]) == (2, "")
    assert version["drift"].startswith("steady")
    assert version["lesson"]["metrics"]["odd_to_old_ratio"] == 0.0
    with loaded.open_spool() as spool:
        assert len(spool.log.read(0, 100, kinds=(FrameKind.CONTROL,))) == 2


def test_a_refusal_ends_with_code_1_and_its_reason(site: Path) -> None:
    filled(site, rows=50)
    answer = andon("train", site)
    assert answer.returncode == 1
    assert "REFUSED: 49 rows are too few, 200 are wanted" in answer.stdout


def test_without_a_spool_or_such_a_rule_it_says_so(site: Path) -> None:
    assert "does not exist" in refusal(andon("train", site))
    filled(site, rows=50)
    without = changed(site, old=RULE, new="")
    answer = andon("train", without)
    assert (answer.returncode, "nothing to train" in answer.stdout) == (0, True)


def test_the_schedule_trains_when_it_is_due_and_stops_when_told(site: Path) -> None:
    loaded, jobs = filled(site), Jobs()
    training.start_training(jobs, loaded, look_every_s=0.05)
    trained, until_s = Event(), time.monotonic() + 60.0
    with loaded.open_spool() as spool:
        while not trained.is_set() and time.monotonic() < until_s:
            if spool.log.read(0, 100, kinds=(FrameKind.CONTROL,)):
                trained.set()
            jobs.stop.wait(0.1)
    jobs.end()
    assert trained.is_set()


@pytest.mark.parametrize("section", [TrainSettings, ForestOptions, one_class_sgd.Options])
def test_the_sample_site_explains_every_option(section: type[msgspec.Struct]) -> None:
    text = (SITES / "teaching_factory" / "site.toml").read_text(encoding="utf-8")
    for field in msgspec.structs.fields(section):
        assert f"{field.name} = {field.default}" in text


@pytest.mark.parametrize(
    ("old", "new"), [("every_h = 24.0", "every_h = -1.0"), ("window_d = 7.0", "window_d = 0"), ("every_h", "evry_h")]
)
def test_a_wrong_setting_is_refused(site: Path, old: str, new: str) -> None:
    with pytest.raises(ConfigError, match="`train"):
        load_site(changed(site, old=old, new=new))
