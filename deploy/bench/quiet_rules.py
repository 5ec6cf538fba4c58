"""The rules of `deploy.bench.quiet`: those of a site that uses every method, as its site.toml would hold them.

Defaults but where readings come once a minute: windows and delays are as long in time as the defaults are.
"""

from __future__ import annotations

from collections.abc import Iterable

_SHIFT = """
[[shift]]
name = "day"
start = 06:00:00
end = 22:00:00
days = ["mon", "tue", "wed", "thu", "fri", "sat"]
line = "{line}"
"""


def site_toml(two_shift_lines: Iterable[str]) -> str:
    """The whole file; these lines stand at night and on Sunday."""
    return _RULES + "".join(_SHIFT.format(line=line) for line in two_shift_lines)


_RULES = """
[site]
enterprise = "acme"
name = "quiet"

[[rule]]
method = "output_drop"
metric = "good"
severity = "critical"
for_s = 60.0
keep_firing_for_s = 300.0
window_s = 1800.0
product_metric = "product"
state_metric = "state"

[[rule]]
method = "silent"
in_planned_stop = true
after_s = 300.0

[[rule]]
method = "shortage"
metric = "stock_*"
severity = "critical"
response_s = 1800.0

[[rule]]
method = "limits"
metric = "pressure*"
severity = "critical"
low = 4.0
high = 8.0

[[rule]]
method = "scrap_burst"
metric = "scrap"
output_metric = "good"

[[rule]]
method = "slow_cycle"
metric = "good"

[[rule]]
method = "stuck"

[[rule]]
method = "novelty"

[[rule]]
method = "cusum"
metric = "flow*"

[[rule]]
method = "cusum"
name = "cusum_pressure"
metric = "pressure*"

[[rule]]
method = "ewma"
metric = "vibration*"

[[rule]]
method = "page_hinkley"
metric = "current*"

[[rule]]
method = "rate_limits"
metric = "pressure*"

[[rule]]
method = "rate_limits"
name = "rate_temperature"
metric = "temperature*"

[[rule]]
method = "one_class_sgd"
every_s = 60.0
settle_rows = 5
keep_firing_for_s = 300.0
"""
