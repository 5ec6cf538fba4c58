"""Lines that send telemetry and are on no map (`stranger`): said once in a sentence, and counted. Pure."""

from __future__ import annotations

from collector.schema import OWN_LINES
from detectors.chain.network import Network


def stranger(network: Network, line: str) -> str:
    """What is to be said of a line (`site/line`) that the chain does not know; `""` of one that it does."""
    site, _, name = line.partition("/")
    known = {node.equipment for node in network.nodes if node.equipment}
    stocks = {series.rpartition("/")[0] for series in network.by_series}
    if name in OWN_LINES or line in known or line in stocks:
        return ""
    remedy = "name it in `line` of capabilities.csv"
    if site not in {one.partition("/")[0] for one in known | stocks}:
        return f"{line} sends telemetry and the chain has no line of a site {site!r}; {remedy}, or correct the topic"
    return f"{line} sends telemetry and is no line of the chain: its alerts put nothing at risk; {remedy}"
