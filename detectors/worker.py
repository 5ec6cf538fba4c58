"""Detection of all lines in one spool: what `andon detect` runs.

Each line has its own logic, restored from the state its last commit left. The watcher's own pulse (`watch_beat`) is
said here, too, so that a board can tell a quiet plant from a dead watcher (`detectors.watcher`).
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.spool.spool import Spool
from detectors.budgets.keeping import BudgetKeeping
from detectors.calendar import Calendar
from detectors.causes.carrier import Carrier
from detectors.detector import Context
from detectors.engine import SpoolShards, run_shard
from detectors.flow import Flow
from detectors.line import LineLogic
from detectors.models.store import ModelStore
from detectors.settings import AlertSettings, BoundRule, DetectSettings
from detectors.watcher import say_beat


class Detection:
    """The detectors of a site and of the collector itself, over one spool that this object owns while it works."""

    def __init__(
        self,
        spool: Spool,
        rules: Sequence[BoundRule],
        settings: DetectSettings,
        calendar: Calendar,
        alerts: AlertSettings = AlertSettings(),  # noqa: B008 - frozen
        flow: Flow | None = None,
    ) -> None:
        self._spool = spool
        self._rules = rules
        self._settings = settings
        self._calendar = calendar
        self._alerts = alerts
        self._keeping = BudgetKeeping(spool, alerts.budget_per_d)
        self._flow = flow or Flow()
        self._carrier = Carrier(spool, self._flow)
        self._seams = SpoolShards(spool, self._flow.heard_by)
        self._logics: dict[str, LineLogic] = {}

    def step(self) -> int:
        """Deals once with what is new in every line; returns how many frames that was, 0 when all is done.

        Then the plant's alarm budget hears of it, and so do the lines that a line feeds: both is new to them.
        """
        dealt_with = sum(self._step_line(shard) for shard in self._spool.log.shards())
        dealt_with += self._keeping.step() + self._carrier.step()
        if dealt_with:
            say_beat(self._spool, self._settings.levels_s)
        return dealt_with

    def _step_line(self, shard: str) -> int:
        logic = self._logics.get(shard) or self._restored(shard)
        try:
            return run_shard(shard, logic, self._seams, self._seams, self._seams)
        except BaseException:
            self._logics.pop(shard, None)  # it is ahead of what was committed; the next step restores it
            raise

    def _restored(self, shard: str) -> LineLogic:
        context = Context(self._spool.series, self._calendar, shard, ModelStore(self._spool).read, self._flow)
        logic = LineLogic(self._rules, self._settings, context, self._alerts)
        kept = self._seams.load(shard)
        logic.restore(kept.body, kept.version)
        self._logics[shard] = logic
        return logic
