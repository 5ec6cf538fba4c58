"""Training on a schedule: a job of `andon detect` that starts `andon train` when it is due.

A process of its own: what fitting takes is given back when it ends, the detectors' process never loads scikit-learn,
and a training that dies takes nothing with it.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from threading import Event

from collector.spool.spool import Spool
from deploy.jobs import Jobs
from deploy.site import SiteFile
from detectors.models.trainer import Trainer

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 60.0
_REFUSED = 1  # of `andon train`: said as an alert, too


def trainer_of(spool: Spool, site: SiteFile) -> Trainer:
    return Trainer(spool, site.rules, site.calendar, site.train)


def start_training(jobs: Jobs, site: SiteFile, look_every_s: float = _LOOK_EVERY_S) -> None:
    """Starts the schedule of [train]; nothing where no rule has a method that is trained."""

    def train(stop: Event) -> None:
        if not site.train.every_h:
            return
        with site.open_spool() as spool:
            trainer = trainer_of(spool, site)
            while not stop.wait(look_every_s):
                if trainer.is_due():
                    _train_apart(site, stop)

    jobs.start("train", train)


def _train_apart(site: SiteFile, stop: Event) -> None:
    """Runs `andon train` and waits for it; ends it when told to stop."""
    command = [sys.executable, "-m", "deploy.cli", "train", str(site.document.path), "--spool", str(site.spool_path)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while child.poll() is None:
        if stop.wait(0.2):
            child.terminate()
    said = child.communicate()[1].strip()
    if child.returncode not in (0, _REFUSED) and not stop.is_set():
        log.error("train.failed code=%d said=%s", child.returncode, said.splitlines()[-1] if said else "")
        stop.wait(3600.0)  # what fails now fails again
