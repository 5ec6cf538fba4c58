"""What site.toml says to the detectors: pace, rules and their methods.

Input: `collector.config.Document`. Output: `DetectSettings`, the rules in order, and `Watch`es built for one line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from collector.config import ConfigError, Document, Positive, Section
from collector.folder import find
from detectors import methods
from detectors.alerts import AlertRule
from detectors.detector import Context, Detector


class DetectSettings(Section, frozen=True, kw_only=True):
    """`tick_s`: event time between two looks at the alerts; `levels_s`: between two stored levels."""

    tick_s: Positive = 5.0
    levels_s: Positive = 30.0


@dataclass(frozen=True, slots=True)
class BoundRule:
    """A rule whose method is found and whose options are valid; `start` makes the method for one line."""

    name: str
    rule: AlertRule
    start: Callable[[Context], Detector]


def detect_settings(document: Document) -> DetectSettings:
    settings = document.section("detect", DetectSettings)
    if settings.levels_s < settings.tick_s:
        raise ConfigError(f"{document.path}: `detect.levels_s` is below `detect.tick_s`; raise it")
    return settings


def bound_rules(document: Document) -> tuple[BoundRule, ...]:
    """Every [[rule]], causes first. Raises ConfigError: unknown method, bad option, unknown cause."""
    rules = document.open_sections("rule", AlertRule)
    used = {rule.method for rule in rules}
    bound = []
    for i, rule in enumerate(rules):
        for cause in rule.suppressed_by:
            if cause not in used:
                raise ConfigError(f"{document.path}: `rule[{i}].suppressed_by`: no rule uses the method {cause!r}")
        bound.append(_bind(document, i, rule))
    return tuple(sorted(bound, key=lambda one: len(one.rule.suppressed_by)))


def _bind(document: Document, i: int, rule: AlertRule) -> BoundRule:
    module = find(methods, rule.method, document, f"rule[{i}].method")
    options = document.convert(rule.options, module.Options, f"rule[{i}]")

    def start(context: Context) -> Detector:
        detector: Detector = module.build(options, context)
        return detector

    return BoundRule(f"{i}:{rule.method}", msgspec.structs.replace(rule, options={}), start)
