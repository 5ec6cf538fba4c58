"""Reference cases answered and held against what they expect: `verified(read(file))`, one Verdict each.

    for file in files(folder):
        verdict = verified(file)

A file is a JSON object with `kind` and, where answers are known, `expected` (of the case, or of each of its scenarios
or products). What cannot be read or answered is a Verdict with `trouble`, so that the rest still runs. Output goes to
`andon chain verify`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

import msgspec

from collector.errors import AndonError
from detectors.chain.reference.deviation import Deviation, furthest
from detectors.chain.reference.registry import Kind, kinds

log = logging.getLogger(__name__)

INDEX = "INDEX.json"
_LISTS = ("scenarios", "products")  # kinds whose expected values stand in the entries of a list


@dataclass(frozen=True)
class Verdict:
    """One case: its `answers`, and their largest `deviation` from what it expects, None where it expects nothing.

    `agrees`: every deviation is within its tolerance; None where nothing is expected. `trouble` says why there is no
    answer; then there are no answers.
    """

    file: Path
    id: str
    kind: str = ""
    tolerance: float = 0.0
    deviation: Deviation | None = None
    agrees: bool | None = None
    trouble: str = ""
    answers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether it misses or could not be answered."""
        return bool(self.trouble) or self.agrees is False


class NoCases(AndonError):
    """There is nothing to verify where it was looked for."""


def files(folder: Path) -> list[Path]:
    """The cases of a folder by name (or the one file). Raises NoCases."""
    if folder.is_file():
        return [folder]
    found = sorted(path for path in folder.glob("*.json") if path.name != INDEX) if folder.is_dir() else []
    if not found:
        raise NoCases(f"{folder}: no case; name a folder of .json files in the format of chain_reference")
    return found


def verified(file: Path) -> Verdict:
    """The case of a file, answered and compared. Whatever is wrong with it is told, not raised."""
    try:
        raw = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        return Verdict(file, file.stem, trouble=f"{file}: cannot be read as JSON: {error}")
    if not isinstance(raw, dict):
        return Verdict(file, file.stem, trouble=f"{file}: is no case; a case is an object with `kind`")
    return judged(raw, file)


def judged(raw: Mapping[str, Any], file: Path = Path()) -> Verdict:
    """The same of a case that has been read."""
    name, kind_name = raw.get("id"), raw.get("kind")
    case_id = str(name) if isinstance(name, str | int) and str(name) else file.stem
    kind = kinds().get(kind_name) if isinstance(kind_name, str) else None
    if kind is None:
        known = ", ".join(kinds())
        return Verdict(
            file, case_id, str(kind_name), trouble=f"{file}: kind: {kind_name!r} is not known; it is one of {known}"
        )
    try:
        answers = kind.answers(_read(raw, kind))
        compared = _compared(answers, raw, kind)
    except (AndonError, ValueError) as error:
        return Verdict(file, case_id, kind.KIND, trouble=f"{file}: {error}")
    except Exception as error:
        log.exception("reference.failed case=%s", case_id)
        why = f"{type(error).__name__}: {error}"
        return Verdict(file, case_id, kind.KIND, trouble=f"{file}: cannot be answered ({why}); check its values")
    worst = max(compared, key=lambda one: (one[0].ratio > one[1], one[0].ratio), default=None)
    return Verdict(
        file=file,
        id=case_id,
        kind=kind.KIND,
        tolerance=worst[1] if worst else _tolerance(raw, kind.TOLERANCE, "tolerance"),
        deviation=worst[0] if worst else None,
        agrees=all(one.ratio <= tolerance for one, tolerance in compared) if compared else None,
        answers=_asked(answers, raw),
    )


def _read(raw: Mapping[str, Any], kind: Kind) -> Any:
    """The case as its kind reads it. Raises ValueError with the key that is wrong; null counts as left out."""
    try:
        return msgspec.convert(_without_nulls(raw), kind.CASE)
    except msgspec.ValidationError as error:
        says, _, path = str(error).partition(" - at ")
        key = path.strip("`").removeprefix("$").removeprefix(".")
        raise ValueError(f"{key + ': ' if key else ''}{says[:1].lower()}{says[1:]}") from error


def _without_nulls(stated: Any) -> Any:
    if isinstance(stated, dict):
        return {key: _without_nulls(value) for key, value in stated.items() if value is not None}
    return [_without_nulls(one) for one in stated] if isinstance(stated, list) else stated


def _compared(answers: Mapping[str, Any], raw: Mapping[str, Any], kind: Kind) -> list[tuple[Deviation, float]]:
    """The largest deviation of each part that expects something, with its tolerance."""
    tolerance = _tolerance(raw, kind.TOLERANCE, "tolerance")
    of_list = next((key for key in _LISTS if key in answers), "")
    if not of_list:
        return _part(answers, raw, tolerance, "")
    parts = zip(answers[of_list], raw[of_list], strict=True)
    return [one for i, (mine, stated) in enumerate(parts) for one in _part(mine, stated, tolerance, f"{of_list}[{i}]")]


def _part(mine: Mapping[str, Any], stated: Mapping[str, Any], usual: float, key: str) -> list[tuple[Deviation, float]]:
    theirs = stated.get("expected")
    if theirs is None or theirs == {}:
        return []
    if not isinstance(theirs, dict):
        raise ValueError(f"{key + '.' if key else ''}expected: is {theirs!r}; it must hold the expected values by name")
    worst = furthest({name: value for name, value in mine.items() if name in theirs}, theirs)
    place = ".".join(part for part in (key, worst.key) if part)
    return [(worst._replace(key=place), _tolerance(stated, usual, f"{key}.tolerance"))]


def _tolerance(stated: Mapping[str, Any], usual: float, key: str) -> float:
    given = stated.get("tolerance")
    if given is None:
        return usual
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < inf:
        raise ValueError(f"{key}: is {given!r}; it must be a number of 0 or more")
    return float(given)


def _asked(answers: Mapping[str, Any], raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answers under the keys that the case expects, all where it expects nothing."""
    of_list = next((key for key in _LISTS if key in answers), "")
    if of_list:
        return {of_list: [_kept(mine, one) for mine, one in zip(answers[of_list], raw[of_list], strict=True)]}
    return _kept(answers, raw)


def _kept(mine: Mapping[str, Any], stated: Mapping[str, Any]) -> Mapping[str, Any]:
    theirs = stated.get("expected")
    return {name: value for name, value in mine.items() if name in theirs} if theirs else mine
