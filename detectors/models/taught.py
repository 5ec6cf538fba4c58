"""What a method offers whose models are trained apart and come by the log: beside Detector, this Protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from collector.spool.frames import NewModel
from detectors.models.training import ForestOptions


@runtime_checkable
class Taught(Protocol):
    options: ForestOptions

    def swap(self, news: NewModel) -> None:
        """Goes on with another model, or takes note why there is none. One that cannot be used changes nothing else."""
        ...

    def faults(self) -> Mapping[str, str]:
        """For each subject whose model is not as it should be: why, and the remedy."""
        ...
