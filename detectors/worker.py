"""Detection of all lines in one spool: what `andon detect` runs.

Each line has its own logic, restored from the state its last commit left. The watcher's own pulse (`watch_beat`) is
said here, too, so that a board can tell a quiet plant from a dead watcher (`detectors.watcher`).
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.spool.frames import EVERY_SHARD
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
        self._seen = 0  # the log's end at the last step

    def step(self) -> int:
        """Deals once with what is new in every line; returns how many frames that was, 0 when all is done.

        Then the plant's alarm budget hears of it, and so do the lines that a line feeds: both is new to them.
        """
        dealt_with = self._step_lines(self._due())
        dealt_with += self._keeping.step() + self._carrier.step()
        if dealt_with:
            say_beat(self._spool, self._settings.levels_s)
        return dealt_with

    def _due(self) -> list[str]:
        """The lines whose log has something new, of their own or of a line they hear; at first all of them."""
        log = self._spool.log
        before, end = self._seen, log.end()
        touched = log.touched(before, end) if before else {EVERY_SHARD}
        lines = set(self._seams.unfinished)
        if EVERY_SHARD in touched:
            lines.update(log.shards())
        elif touched:
            lines.update(one for one in log.shards() if not touched.isdisjoint((one, *self._flow.heard_by(one))))
        self._seen = end
        return sorted(lines)

    def _step_lines(self, due: Sequence[str]) -> int:
        """One disk sync for all of them: it takes longer than the thinking about any."""
        dealt_with = 0
        try:
            with self._seams.together():
                for shard in due:
                    logic = self._logics.get(shard) or self._restored(shard)
                    dealt_with += run_shard(shard, logic, self._seams, self._seams, self._seams)
        except BaseException:
            self._logics.clear()  # they may be ahead of what was committed; the next step restores them
            self._seen = 0
            raise
        return dealt_with

    def _restored(self, shard: str) -> LineLogic:
        context = Context(self._spool.series, self._calendar, shard, ModelStore(self._spool).read, self._flow)
        logic = LineLogic(self._rules, self._settings, context, self._alerts)
        kept = self._seams.load(shard)
        logic.restore(kept.body, kept.version)
        self._logics[shard] = logic
        return logic
