"""A rule of site.toml: which method watches which series, and how its alerts live.

Read by `detectors.settings`, applied by `detectors.alerts.advance` and `detectors.watch`.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from collector.config import Name, NotNegative, Positive, Section
from collector.schema import AlertLevel


class AlertRule(Section, frozen=True, kw_only=True):
    """One [[rule]] of site.toml: which method watches which series, and how its alerts live.

    Its memory and alerts hang on `name`, not on its place in the file; without one it is called by its method, or by
    method and globs where rules share the method. `metric` is a glob over metric names; `method`'s own keys are
    gathered in `options`.
    `for_s` is the on-delay, `keep_firing_for_s` the off-delay, `gap_s` how long without a score until its
    evidence is called stale: from then on it is not known whether it still stands, and it neither fires nor clears.
    `repeat_after_s` is the hold: so long after it was raised the same alert is not raised again. `budgeted`: whether
    the alarm budgets bound it, by default unless its method tells facts; then `budget_per_d` alarms of one subject a
    day are free, and more need higher scores, and it is hidden while its line stands unless `in_stop`.
    """

    method: Name
    name: Annotated[str, msgspec.Meta(max_length=60, pattern=r"^[^\s:@|#+\"]*$")] = ""
    metric: Name = "*"
    line: str = "*"
    severity: AlertLevel = AlertLevel.WARNING
    for_s: NotNegative = 0.0
    keep_firing_for_s: NotNegative = 0.0
    gap_s: NotNegative = 300.0
    suppressed_by: tuple[str, ...] = ()  # rules, or methods, whose open alert on the same line is the cause
    in_planned_stop: bool = False  # True: alerts also while no production is planned
    in_stop: bool = False  # True: alerts also while its line, or its cell, stands
    repeat_after_s: NotNegative = 60.0  # three of one alert in a minute are chattering (ISA-18.2)
    budgeted: bool | None = None
    budget_per_d: Positive = 4.0  # one subject that calls every six hours is among the ten worst of a site
    consequence: str = ""
    response: str = ""
    options: dict[str, Any] = {}
