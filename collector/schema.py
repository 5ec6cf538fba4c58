"""Every stored name (measurement, tag, field), typed once.

Writers (`collector.rows`, `detectors`) and readers (`dashboards.query`) take their names from here and nowhere else.
`MEASUREMENTS` lists what exists, for tests that look for names outside it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Measurement(NamedTuple):
    """A stored table: its name, its tags (bounded sets only) and its fields."""

    name: str
    tags: tuple[str, ...]
    fields: tuple[str, ...]


READING = Measurement("reading", ("site", "area", "line", "cell", "metric"), ("value", "text"))
EXPECTED = Measurement("expected", (*READING.tags, "method"), ("value", "low", "mid", "high", "score"))
ALERT_STATE = Measurement(
    "alert_state",
    ("site", "line", "kind", "subject"),  # never severity, never an alert's id: they would split the series
    ("state", "score", "acked", "shelved", "cover_days", "since", "alert_id"),
)
ALERT_EVENT = Measurement(
    "alert_event",
    ("site", "line", "kind", "subject"),
    (
        "title",
        "text",
        "tags",
        "time_end",
        "severity",
        "acked_by",
        "acked_at",
        "verdict",
        "cause",
        "alert_id",
        *("raised", "acknowledged", "said_true", "said_false", "hidden"),  # 0 or 1, to be summed up over time
        *("in_time", "missed"),  # the same, of stocks alone
        "ack_after_s",
    ),
)
OEE = Measurement(
    "oee",
    ("site", "line", "shift"),
    ("availability", "performance", "quality", "oee", "no_data_ratio", "version"),
)
EXPOSURE = Measurement(
    "exposure",
    ("node", "material"),
    (
        "days_of_supply_d",
        "time_to_survive_d",
        "time_to_recover_d",
        "gap_d",
        "lost_per_d",
        "stops_at",
        "cause",
        "best_action",
        "recover_p80_d",  # the median is time_to_recover_d; gap_d and lost are at the median, too
        "recover_p95_d",
        "gap_p80_d",
        "gap_p95_d",
        "lost",
        "lost_p80",
        "lost_p95",
        "loss_chance_ratio",
        "output_low",
        "output_high",
        "unknown",
        "why",
    ),
)
RECOVERY = Measurement(
    "recovery",
    ("node", "material"),
    ("kind", "began", "ended", "lasted_d", "days_to_80_d", "days_to_95_d", "output_ratio", "over"),
)
CHAIN_NODE = Measurement(
    "chain_node",
    ("node", "kind", "cluster"),
    (
        *("on_map", "title", "subtitle", "risk", "days_of_supply_d", "time_to_survive_d", "stops_at", "x", "y"),
        *("chance_ratio", "colour"),
    ),
)
CHAIN_ARC = Measurement(
    "chain_arc",
    ("source", "target", "material", "source_cluster", "target_cluster"),
    ("on_map", "id", "risk", "share", "lead_time_d"),
)
CHAIN_STOCK = Measurement(
    "chain_stock",
    ("node", "material", "cluster"),
    ("on_map", "title", "days_of_supply_d", "lead_time_d", "spare_d", "on_hand", "use_per_d", "empty_at"),
)
CHAIN_LIST = Measurement(  # a row of the planners' lists; `clusters` are joined by ", "
    "chain_list",
    ("list", "kind", "material", "clusters", "id"),
    ("on_map", "nodes", "felt_by", "cause", "clears", "at_stake_per_d", "confidence_ratio", "as_of"),
)
STOCK_RECEIPTS = Measurement(
    "stock_receipts",
    ("site", "item"),
    ("open", "in_transit", "next_id", "next_due", "next_supplier"),
)
BOM_VERSION = Measurement("bom_version", ("site", "item"), ("version", "valid_from", "components"))
WATCH_BEAT = Measurement("watch_beat", (), ("alive", "open_alerts", "spool_depth"))
STORE_PROBE = Measurement("store_probe", (), ("value",))  # whether a store that refuses rows takes any at all

MEASUREMENTS = (
    READING,
    EXPECTED,
    ALERT_STATE,
    ALERT_EVENT,
    OEE,
    EXPOSURE,
    RECOVERY,
    CHAIN_NODE,
    CHAIN_ARC,
    CHAIN_STOCK,
    CHAIN_LIST,
    STOCK_RECEIPTS,
    BOM_VERSION,
    WATCH_BEAT,
    STORE_PROBE,
)


class AlertLevel(StrEnum):
    """Severity as people write it in site.toml."""

    WARNING = "warning"
    CRITICAL = "critical"


STATE_OF_LEVEL = {AlertLevel.WARNING: 1.0, AlertLevel.CRITICAL: 2.0}
ALERT_OVER = "normal"  # `state` in the detail of an alert_event nobody has to do anything about any more
SELF_LINE = "_self"  # the line under which the collector reports its own counters
INVENTORY_LINE = "inventory"  # the line under which stocks are reported that were reckoned from counts and movements
OWN_LINES = frozenset({SELF_LINE, INVENTORY_LINE})  # where no sender's readings may stand
