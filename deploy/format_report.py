"""What `andon detect-format` tells: the dialects, and the trial of the rules, before any topic is admitted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from collector.recognition.recognise import Recognised
from collector.recognition.trial import Trial
from deploy.amounts import amount
from deploy.instants import utc_of_ns

_MOST_TOLD = 60  # lines of one kind; --json has all


def lines(found: Recognised, trial: Trial) -> Iterator[str]:
    """The report as text."""
    sample = f"{amount(trial.messages, 'message')} of {amount(len(found.by_topic), 'topic')}"
    yield f"{sample}: {', '.join(found.dialects) or 'no format'}"
    yield from _some(f"  {topic}: {one.dialect or 'not recognised'} ({one.proof()})" for topic, one in _topics(found))
    yield ""
    read = trial.messages - trial.unread_messages
    unread = f"{trial.unread_messages:,} would be dead letters ({trial.unread_ratio:.1%})"
    silent = f", {trial.silent_messages:,} of them said nothing" if trial.silent_messages else ""
    yield (
        f"dry run, nothing is stored: {amount(read, 'message')} read{silent}, {unread}; "
        f"{amount(trial.readings, 'reading')}"
    )
    yield from _some(
        f"  {one.name} [{one.unit}] {one.kind}: {amount(one.readings, 'reading')}, "
        f"{_said(one.first)} to {_said(one.last)}, {utc_of_ns(one.from_ns)} to {utc_of_ns(one.to_ns)}"
        for one in trial.series
    )
    if trial.ahead or trial.behind:
        yield (
            f"times that cannot be: {trial.ahead:,} readings over 5 min ahead of their receipt, "
            f"{trial.behind:,} over a day behind; they are kept and marked, and reach no store"
        )
    if trial.signals:
        yield f"{amount(trial.signals, 'signal')} of stocks and orders would be booked"
    if trial.gaps:
        yield f"{amount(trial.gaps, 'gap')} would be booked in the ledger"
    yield from _told("would be dead letters", (f"  {one.messages:,} x {one.reason}" for one in trial.unread))
    yield from _told("left out", _left_out(found, trial))


def facts(found: Recognised, trial: Trial) -> dict[str, Any]:
    """The same as plain JSON types, with the rules."""
    return {
        "rules": found.text,
        "site": msgspec.to_builtins(found.site),
        "dialects": found.dialects,
        "topics": {
            topic: {"dialect": one.dialect, "fits": {name: share for name, share in one.fits.items() if share}}
            for topic, one in found.by_topic.items()
        },
        "trial": {**msgspec.to_builtins(trial), "unread_ratio": trial.unread_ratio, "is_fit": trial.is_fit},
        "left_out": [one._asdict() for one in found.left_out],
    }


def _left_out(found: Recognised, trial: Trial) -> Iterator[str]:
    """What no rule reads, and what of it the sample held all the same."""
    yield from (f"  {one.topic} {one.field}: {one.why}" for one in found.left_out)
    yield from (
        f"  {one.topic} {one.name}: {amount(one.values, 'value')}, no number, and no rule describes it"
        for one in trial.left_out
    )


def _said(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"


def _topics(found: Recognised) -> Iterator[tuple[str, Any]]:
    """The topics of each dialect, those that nothing recognises first."""
    counts = Counter(one.dialect for one in found.by_topic.values())
    yield from sorted(found.by_topic.items(), key=lambda one: (bool(one[1].dialect), counts[one[1].dialect]))


def _told(what: str, told: Iterator[str]) -> Iterator[str]:
    said = list(told)
    if said:
        yield f"{what}:"
        yield from _some(iter(said))


def _some(told: Iterator[str]) -> Iterator[str]:
    """The first of many lines, and how many more there are."""
    said = list(told)
    yield from said[:_MOST_TOLD]
    if len(said) > _MOST_TOLD:
        yield f"  ... and {len(said) - _MOST_TOLD:,} more (--json has all)"
