"""What the processes of a site last said of themselves: the readings of the line `_self` in the spool."""

from __future__ import annotations

from collector.readings import NS_PER_S, Batch
from collector.schema import SELF_LINE
from collector.spool.spool import Spool

_RECENT_FRAMES = 24  # of the own line: some reports of each process


class OwnReadings:
    """The last readings that the processes of a site wrote of themselves: (at_ns, value), the last two of each."""

    def __init__(self, spool: Spool, site: str) -> None:
        self._told: dict[tuple[str, str], list[tuple[int, float]]] = {}
        for frame in spool.log.newest(f"{site}/{SELF_LINE}", _RECENT_FRAMES):
            if isinstance(frame.body, Batch):
                self._take(frame.body, spool)

    def last_ns(self, process: str) -> int | None:
        return max((told[-1][0] for (by, _), told in self._told.items() if by == process), default=None)

    def value(self, name: str, process: str = "collector") -> float | None:
        told = self._told.get((process, name))
        return told[-1][1] if told else None

    def about(self, family: str, process: str = "collector") -> dict[str, float]:
        """The gauges `family/subject` of the last report, by subject."""
        last_ns = self.last_ns(process)
        return {
            name.partition("/")[2]: told[-1][1]
            for (by, name), told in sorted(self._told.items())
            if by == process and name.startswith(f"{family}/") and told[-1][0] == last_ns
        }

    def per_s(self, name: str, process: str = "collector") -> float | None:
        """How fast a count rose between the last two reports; None when it was reported once, or began anew."""
        change = self.change_per_s(name, process)
        return change if change is not None and change >= 0 else None

    def change_per_s(self, name: str, process: str = "collector") -> float | None:
        """How fast a number changed between the last two reports; None when there were no two."""
        told = self._told.get((process, name), [])
        if len(told) < 2 or told[1][0] <= told[0][0]:
            return None
        return (told[1][1] - told[0][1]) * NS_PER_S / (told[1][0] - told[0][0])

    def _take(self, batch: Batch, spool: Spool) -> None:
        for number, at_ns, value in zip(batch.series.tolist(), batch.at_ns.tolist(), batch.value.tolist(), strict=True):
            series = spool.series[number]
            told = self._told.setdefault((series.equipment.cell, series.metric), [])
            told.append((at_ns, value))
            del told[:-2]
