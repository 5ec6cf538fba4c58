"""What site.toml says to the detectors: pace, rules and their methods.

Input: `collector.config.Document`. Output: `DetectSettings`, and the rules by name in the order in which to look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import msgspec

from collector.config import ConfigError, Document, NotNegative, Positive, Section
from collector.folder import find
from collector.schema import SELF_LINE, AlertLevel
from detectors import methods
from detectors.detector import Context, Detector
from detectors.methods import limits
from detectors.rule import AlertRule


class DetectSettings(Section, frozen=True, kw_only=True):
    """`tick_s`: event time between two looks at the alerts; `levels_s`: between two stored levels."""

    tick_s: Positive = 1.0
    levels_s: Positive = 30.0


class AlertSettings(Section, frozen=True, kw_only=True):
    """`budget_per_d`: how many alarms a day the operators of the site want; `inf`: no budget. `together_s`: alarms of a
    line that begin so close to each other are told as one, 0: never.

    The default is two thirds of what EEMUA 191 calls acceptable for one operator (150 a day).
    """

    budget_per_d: Positive = 100.0
    together_s: NotNegative = 600.0


class TrainSettings(Section, frozen=True, kw_only=True):
    """How often models are trained, 0: only by `andon train`; and on how much of what the spool keeps."""

    every_h: NotNegative = 24.0
    window_d: Positive = 7.0


@dataclass(frozen=True, slots=True)
class BoundRule:
    """A rule whose method is found and whose options are valid; `start` makes the method for one line.

    `rule.suppressed_by` holds the names of rules. `is_fact`: it tells what is so, not what is unlikely.
    """

    name: str
    rule: AlertRule
    start: Callable[[Context], Detector]
    is_fact: bool = False


def detect_settings(document: Document) -> DetectSettings:
    settings = document.section("detect", DetectSettings)
    if settings.levels_s < settings.tick_s:
        raise ConfigError(f"{document.path}: `detect.levels_s` is below `detect.tick_s`; raise it")
    return settings


def bound_rules(document: Document) -> tuple[BoundRule, ...]:
    """Every [[rule]], causes first. Raises ConfigError: unknown method, bad option, a name used twice, unknown cause,
    rules that suppress each other.
    """
    rules = document.open_sections("rule", AlertRule)
    names = _names(document, rules)
    bound = {}
    for i, (name, rule) in enumerate(zip(names, rules, strict=True)):
        start, is_fact = _starter(document, i, rule)
        causes = _causes(document, i, names, rules)
        bare = msgspec.structs.replace(rule, suppressed_by=causes, options={})
        bound[name] = BoundRule(name, bare, start, is_fact)
    try:
        order = tuple(TopologicalSorter({one.name: one.rule.suppressed_by for one in bound.values()}).static_order())
    except CycleError as error:
        ring = error.args[1]
        where = f"{document.path}: `rule[{names.index(ring[0])}].suppressed_by`"
        raise ConfigError(f"{where}: rules suppress each other ({' <- '.join(ring)}); remove one of these") from error
    return tuple(bound[name] for name in order)


def own_rules() -> tuple[BoundRule, ...]:
    """What every site watches of its collector, whatever site.toml says: whether anything can arrive at all."""
    rule = AlertRule(
        method="limits",
        name="cut_off",
        metric="broker_connected",
        line=SELF_LINE,
        severity=AlertLevel.CRITICAL,
        in_planned_stop=True,
        consequence="nothing arrives from the plant: what the other alerts say may be old",
        response="see the collector's log for the broker's reason; look at broker and network",
    )
    return (BoundRule(rule.name, rule, lambda context: limits.build(limits.Options(low=1.0), context), is_fact=True),)


def _names(document: Document, rules: Sequence[AlertRule]) -> list[str]:
    """What each rule is called: its own name, else its method, with its globs where rules share the method."""
    used = Counter(rule.method for rule in rules if not rule.name)
    names: list[str] = []
    for i, rule in enumerate(rules):
        globs = [glob for glob in (rule.metric, rule.line) if glob != "*"] if used[rule.method] > 1 else []
        name = rule.name or "-".join([rule.method, *globs])
        if name in names:
            where = f"{document.path}: `rule[{i}].name`"
            raise ConfigError(
                f"{where}: rule[{names.index(name)}] is called {name!r} too; give each a `name` of its own"
            )
        names.append(name)
    return names


def _causes(document: Document, i: int, names: Sequence[str], rules: Sequence[AlertRule]) -> tuple[str, ...]:
    """The names of the rules that suppress rule `i`: those so called, else those that use the method so called."""
    where = f"{document.path}: `rule[{i}].suppressed_by`"
    causes: list[str] = []
    for cause in rules[i].suppressed_by:
        by_method = [name for name, rule in zip(names, rules, strict=True) if rule.method == cause]
        found = [cause] if cause in names else by_method
        if not found:
            raise ConfigError(f"{where}: no rule is called {cause!r} or uses such a method; correct or remove it")
        if names[i] in found:
            raise ConfigError(f"{where}: the rule would suppress itself; remove {cause!r} or name the other rule")
        causes += found
    return tuple(dict.fromkeys(causes))


def _starter(document: Document, i: int, rule: AlertRule) -> tuple[Callable[[Context], Detector], bool]:
    """How to make the method, and whether what it tells with these options is a fact."""
    module = find(methods, rule.method, document, f"rule[{i}].method")
    options = document.convert(rule.options, module.Options, f"rule[{i}]")

    def start(context: Context) -> Detector:
        detector: Detector = module.build(options, context)
        return detector

    return start, hasattr(module, "is_fact") and bool(module.is_fact(options))
