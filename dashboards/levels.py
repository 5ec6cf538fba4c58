"""How an alert's level is shown: a word, a shape and, only when abnormal, a colour."""

from __future__ import annotations

from collector.schema import STATE_OF_LEVEL, AlertLevel
from dashboards.build import GREY, RED, YELLOW, words

LEVEL_WORDS = words(
    {
        STATE_OF_LEVEL[AlertLevel.CRITICAL]: ("◆ critical", RED),
        STATE_OF_LEVEL[AlertLevel.WARNING]: ("▲ warning", YELLOW),
        0.0: ("quiet", GREY),  # closed, shelved or suppressed
    }
)
