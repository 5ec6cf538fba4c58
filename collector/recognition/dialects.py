"""Which dialect a sample speaks: every format of the folder is asked how surely each message is of it.

A topic speaks one dialect, so its messages are judged together and a broken one among them changes nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import NamedTuple

from collector import formats
from collector.folder import names_in
from collector.sources.source import Message

MOST_ASKED = 100  # messages of a topic; more do not make it surer
LEAST = 0.05  # below this nothing was recognised
FALLBACK = "json_rules"  # any JSON object: taken where no dialect of its own fits


class Verdict(NamedTuple):
    """How surely the messages of a topic are of each format, surest first; `dialect` is `""` where none fits."""

    dialect: str
    fits: Mapping[str, float]

    def proof(self) -> str:
        """`kepware 1.00, json_rules 0.30, all others 0`."""
        said = [f"{name} {share:.2f}" for name, share in self.fits.items() if share]
        return ", ".join([*said, "all others 0"])


def verdicts(by_topic: Mapping[str, Sequence[Message]]) -> dict[str, Verdict]:
    """The verdict on each topic."""
    return {topic: verdict(messages) for topic, messages in by_topic.items()}


def verdict(messages: Sequence[Message]) -> Verdict:
    """What messages of one topic, or one sample, are."""
    asked = messages[:: max(1, len(messages) // MOST_ASKED)]
    shares = {name: sum(module.fits(one) for one in asked) / len(asked) for name, module in recognisers().items()}
    ordered = dict(sorted(shares.items(), key=lambda one: (-one[1], one[0] == FALLBACK, one[0])))
    best = next(iter(ordered), "")
    return Verdict(best if best and ordered[best] >= LEAST else "", ordered)


@cache
def recognisers() -> Mapping[str, ModuleType]:
    """The formats that can say how surely a message is of them."""
    modules = {name: importlib.import_module(f"{formats.__name__}.{name}") for name in names_in(formats)}
    return {name: module for name, module in modules.items() if hasattr(module, "fits")}
