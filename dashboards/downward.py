"""Where links lead: the boards by their uid, and from a row or tile one level down, time and line kept."""

from __future__ import annotations

from dashboards.build import Json, link, to_board

OVERVIEW = "andon-plant-overview"
LINE = "andon-line"
CHAIN = "andon-supply-chain"
HEALTH = "andon-watch-health"

ANSWER = "answer"  # the column from which an alert is acknowledged
_SITE = "${site:percentencode}"


def to_line(line: str = "${__data.fields.line:percentencode}") -> Json:
    """From a row that has a column `line`, or a tile of a line, to the board of that line."""
    return to_board("Open the line", LINE, site=_SITE, line=line)


def to_chain() -> Json:
    return to_board("Open supply and chain", CHAIN, site=_SITE)


def to_health() -> Json:
    return to_board("Open watch health", HEALTH, site=_SITE)


def to_alert() -> Json:
    """From a column that holds an alert's id to its page on the local board, where a person acknowledges it."""
    return link("Acknowledge on the Andon board", "${board:raw}/alerts/${__value.raw:percentencode}", new_tab=True)
