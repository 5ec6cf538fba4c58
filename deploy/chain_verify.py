"""What `andon chain verify` answers: every case with its largest deviation beside its tolerance; answers as files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from math import inf
from pathlib import Path
from typing import Any

from collector.errors import AndonError
from detectors.chain.reference.verify import Verdict, files, verified

Progress = Callable[[int, int], None]


class BadAnswers(AndonError):
    """The answers cannot be written where they are asked for."""


def verdicts(folder: Path, answers: Path | None, on_progress: Progress) -> list[Verdict]:
    """Every case of the folder; with `answers` each answer is written there as `<case id>.json`.

    Raises NoCases, and BadAnswers where they would fall on the cases themselves.
    """
    found = files(folder)
    if answers is not None:
        _refuse_cases(answers, found)
    judged: list[Verdict] = []
    for file in found:
        on_progress(len(judged), len(found))
        judged.append(verified(file))
    on_progress(len(judged), len(found))
    if answers is not None:
        judged = _written(judged, answers)
    return judged


def sentences(judged: Sequence[Verdict]) -> Iterable[str]:
    """A line for each case, the troubles, and a sum."""
    width = max(len(verdict.id) for verdict in judged)
    kinds = max(len(verdict.kind) for verdict in judged)
    for verdict in judged:
        yield f"{verdict.id:<{width}}  {verdict.kind:<{kinds}}  {_found(verdict)}"
    compared = [verdict for verdict in judged if verdict.agrees is not None]
    agreed = sum(verdict.agrees is True for verdict in compared)
    troubled = sum(bool(verdict.trouble) for verdict in judged)
    answered = len(judged) - troubled - len(compared)
    parts = [f"{agreed} of {len(compared)} cases with known answers agree"]
    parts += [f"{answered} answered without any to compare"] if answered else []
    parts += [f"{troubled} could not be answered"] if troubled else []
    yield "; ".join(parts) + "."


def facts(judged: Sequence[Verdict]) -> dict[str, Any]:
    """The same for programs; a deviation without measure (another length, text or null) is null."""
    return {
        "cases": [_fact(verdict) for verdict in judged],
        "failed": [verdict.id for verdict in judged if verdict.failed],
    }


def _found(verdict: Verdict) -> str:
    if verdict.trouble:
        return f"NOT ANSWERED  {verdict.trouble}"
    if verdict.deviation is None:
        return "answered, nothing to compare"
    ratio, key, mine, theirs = verdict.deviation
    beside = f"{ratio:8.1e}  tolerance {verdict.tolerance:.0e}" if ratio < inf else "differs"
    if verdict.agrees:
        return f"ok      {beside}"
    return f"MISSED  {beside}  at {key}: {_brief(mine)}, expected {_brief(theirs)}"


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _fact(verdict: Verdict) -> dict[str, Any]:
    told: dict[str, Any] = {"id": verdict.id, "kind": verdict.kind, "file": str(verdict.file)}
    if verdict.trouble:
        return told | {"trouble": verdict.trouble}
    if verdict.deviation is None:
        return told | {"agrees": None}
    ratio, key, mine, theirs = verdict.deviation
    told |= {"agrees": verdict.agrees, "deviation": ratio if ratio < inf else None, "tolerance": verdict.tolerance}
    return told | ({} if verdict.agrees else {"at": key, "answer": mine, "expected": theirs})


def _refuse_cases(answers: Path, cases: Sequence[Path]) -> None:
    if any(answers.resolve() == case.parent.resolve() for case in cases):
        raise BadAnswers(f"--answers {answers}: the cases lie there and would be overwritten; name another folder")


def _written(judged: Sequence[Verdict], folder: Path) -> list[Verdict]:
    """Writes all answers; a case whose id is no file name, or is taken, is told as trouble."""
    taken: dict[str, Path] = {}
    told = []
    for verdict in judged:
        if not verdict.trouble:
            why = _unfit(verdict.id, taken)
            if why:
                told.append(Verdict(verdict.file, verdict.id, verdict.kind, trouble=f"{verdict.file}: id: {why}"))
                continue
            taken[verdict.id.lower()] = verdict.file
            _write(folder / f"{verdict.id}.json", verdict)
        told.append(verdict)
    return told


def _unfit(case_id: str, taken: dict[str, Path]) -> str:
    if case_id in (".", "..") or any(sign in '/\\:*?"<>|' or ord(sign) < 32 for sign in case_id):
        return f"{case_id!r} is no file name, so its answer cannot be written"
    if case_id.lower() in taken:
        return f"{case_id} is also that of {taken[case_id.lower()]}; its answer would be overwritten"
    return ""


def _write(file: Path, verdict: Verdict) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(_without_endless(verdict.answers), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadAnswers(f"{file}: cannot be written: {error.strerror}") from error


def _without_endless(value: Any) -> Any:
    """JSON has no infinity; what is endless or not known is null."""
    if isinstance(value, dict):
        return {key: _without_endless(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_endless(inner) for inner in value]
    return None if isinstance(value, float) and not -inf < value < inf else value
