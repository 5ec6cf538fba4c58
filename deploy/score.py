"""Any method over anybody's CSV files: what `andon score` does.

Input: files, a method of `detectors/methods` and its options. Output: for every file one of the same name in a folder,
with a verdict for each of its rows, and a `Scored` that says what it came to.
"""

from __future__ import annotations

import importlib
import math
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.errors import AndonError
from collector.folder import names_in
from collector.readings import NS_PER_S, Kind
from deploy.tables.columns import Choice
from deploy.tables.csv_table import CsvTable, before, read_table
from deploy.tables.reasons import reasons_of
from deploy.tables.verdict_file import write_verdicts
from detectors import methods
from detectors.detector import Context, Detector, Evidence
from detectors.offline.judging import judged
from detectors.offline.verdicts import Verdicts

_MOST_CELLS = 10_000_000  # rows times columns; past that only the rows' own verdicts are written
_STALE_STEPS = 60.0
_WINDOW_ROWS, _LEAST_WINDOW_ROWS = 15, 10  # of a window: fewer than the last say too little of a rate
_LEAST_ROWS, _ENOUGH_ROWS = 100, 1_000  # of a lesson: a person who names fewer means it
_LEAST_ALARMS_PER_D, _S_PER_D = 0.1, 86_400.0
_NOTHING_TOLD = "every row scores 0: the method tells nothing apart here; take another, or look at what taught it"
_KINDS = (Kind.GAUGE, Kind.COUNTER, Kind.STOCK)

Progress = Callable[[int, int, int], None]  # (rows done, of so many, at_ns)


class ScoreError(AndonError):
    """It cannot be scored; the sentence says what to write instead."""


@dataclass(frozen=True)
class ScoreOptions:
    """`train_rows`: the first rows of each file only teach. `train`: a file whose rows do, before those of each.

    `explain`: also which columns made each alarm, and how much of it.
    """

    method: str
    out: Path
    options: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    train_rows: int = 0
    train: Path | None = None
    choice: Choice = field(default_factory=Choice)
    explain: bool = False


class Scored(msgspec.Struct):
    """One file. `stretches`: unbroken runs of rows with an alarm; `took_s` without reading and writing the files."""

    file: str
    written: str
    rows: int
    columns: int
    taught_rows: int
    alarms: int
    stretches: int
    took_s: float
    notices: list[str]


def score_files(files: Sequence[Path], options: ScoreOptions, progress: Progress) -> list[Scored]:
    """Scores every file on its own, with a method that starts afresh. Raises AndonError."""
    chosen(options.method, options.options, 0)
    kinds = kinds_of(options.kinds)
    _check_targets(files, options)
    taught = read_table(options.train, options.choice) if options.train else None
    names = [file.name for file in files]
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise ScoreError(f"two files are called {twice}, and their results would be, too; score them into two folders")
    return [_score(file, options, kinds, taught, progress) for file in files]


def _check_targets(files: Sequence[Path], options: ScoreOptions) -> None:
    """No file that is read may be written to, whatever it is called there. Raises ScoreError."""
    given = [*files, *([options.train] if options.train else [])]
    read = {(found.st_dev, found.st_ino) for found in (one.stat() for one in given if one.exists())}
    for target in (options.out / file.name for file in files):
        if target.exists() and (target.stat().st_dev, target.stat().st_ino) in read:
            raise ScoreError(f"--out {options.out}: would overwrite {target}, which is read; name another folder")


class Chosen(NamedTuple):
    """How to start a method, the length of the slots of time that it judges (0: it judges readings), and its window."""

    build: Callable[[Context], Detector]
    slot_ns: int
    window_s: float = 0.0


def chosen(method: str, options: Sequence[str], step_ns: int, taught_rows: int = 0, columns: int = 1) -> Chosen:
    """A method with `key=value` options, at the pace of a table's rows. Raises ScoreError.

    One that judges slots of `every_s` or a window of `window_s`, forgets after `stale_s`, wants `min_rows` to learn
    from or `warm_rows` before it judges, or is stricter for more `columns`, follows the table where nobody says
    otherwise.
    """
    module = _module(method)
    said = dict(map(_option, options))
    known = {one.encode_name: one for one in msgspec.structs.fields(module.Options)}
    for name in said:
        if name not in known:
            raise ScoreError(f"--option {name}: {method} has no such option; it has {', '.join(known) or 'none'}")
    for name, one in known.items():
        if one.required and name not in said:
            raise ScoreError(f"{method} cannot go without `{name}`; add --option {name}=...")
    step_s = step_ns / NS_PER_S
    paced: dict[str, float] = {"every_s": step_s, "stale_s": _STALE_STEPS * step_s} if step_ns else {}
    if step_s * _WINDOW_ROWS > _default(known, "window_s"):
        paced |= {"window_s": step_s * _WINDOW_ROWS}
    if taught_rows:
        paced |= {"min_rows": max(_LEAST_ROWS, min(taught_rows, _ENOUGH_ROWS))}
        paced |= {"warm_rows": max(_LEAST_ROWS, taught_rows)}
        if taught_rows > _default(known, "memory_rows"):  # all that was taught counts alike
            paced |= {"memory_rows": taught_rows}
    if (
        taught_rows and step_s and "min_rows" in known
    ):  # a tail tells of nothing rarer than once in what it was learned of
        paced["alarms_per_d"] = max(_LEAST_ALARMS_PER_D, _S_PER_D / (taught_rows * step_s))
    paced["columns"] = columns
    said = {**{name: pace for name, pace in paced.items() if name in known}, **said}
    try:
        own = msgspec.convert(said, module.Options)
    except msgspec.ValidationError as error:
        raise ScoreError(f"--option for {method}: {error}; correct the value") from error

    def build(context: Context) -> Detector:
        detector: Detector = module.build(own, context)
        return detector

    return Chosen(build, int(getattr(own, "every_s", 0) * NS_PER_S), float(getattr(own, "window_s", 0.0)))


def kinds_of(given: Sequence[str]) -> Mapping[str, Kind]:
    """What `column=kind` says of columns. Raises ScoreError."""
    found = {}
    for one in given:
        name, mark, kind = one.rpartition("=")
        if not mark or kind not in _KINDS:
            raise ScoreError(f"--kind {one}: write COLUMN=KIND with one of {', '.join(_KINDS)}")
        found[name] = Kind(kind)
    return found


def _module(method: str) -> ModuleType:
    offered = names_in(methods)
    if method not in offered:
        raise ScoreError(f"--method {method}: no such method; there is {', '.join(offered)}")
    return importlib.import_module(f"{methods.__name__}.{method}")


def _default(known: Mapping[str, Any], name: str) -> float:
    """What an option is where nobody says; endless for one that the method has not."""
    return float(known[name].default) if name in known else math.inf


def _option(text: str) -> tuple[str, Any]:
    """`key=value`, the value as TOML writes it, or a bare word. Raises ScoreError."""
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise ScoreError(f"--option {text}: write key=value")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def _score(
    file: Path,
    options: ScoreOptions,
    kinds: Mapping[str, Kind],
    taught: CsvTable | None,
    progress: Progress,
) -> Scored:
    found = read_table(file, options.choice)
    _check(found, options, kinds)
    whole, taught_rows = before(taught, found) if taught else (found, _first_rows(found, options.train_rows))
    telling_rows = int(np.isfinite(whole.table.value[:taught_rows]).any(axis=1).sum())
    method = chosen(options.method, options.options, found.table.step_ns, telling_rows, len(whole.table.names))
    with_series = whole.table.value.size <= _MOST_CELLS
    explained: dict[int, Evidence] | None = {} if options.explain else None
    began = time.perf_counter()
    try:
        verdicts = judged(
            whole.table,
            method.build,
            kinds,
            taught_rows=taught_rows,
            slot_ns=method.slot_ns,
            with_series=with_series,
            heard=lambda rows, at_ns: progress(rows, len(whole.table), at_ns),
            explained=explained,
        )
    except AndonError:
        raise
    except ImportError as error:
        raise ScoreError(f"{options.method} needs more than a gateway has ({error}): install andon[detect]") from error
    except Exception as error:
        raise ScoreError(
            f"{file}: {options.method} failed ({type(error).__name__}: {error}); report it, or take another method"
        ) from error
    took_s = time.perf_counter() - began
    taught_rows = verdicts.taught_rows
    alarm = _alarms(verdicts, taught_rows)
    target = options.out / file.name
    reasons = None if explained is None else reasons_of(explained, whole.table.names, alarm)
    write_verdicts(target, whole, verdicts, alarm, taught_rows, reasons)
    own = alarm[taught_rows:] if taught else alarm
    stretches = int((np.diff(own.astype(np.int8), prepend=0) == 1).sum())
    notices = [*found.notices, *_notices(file, whole, verdicts, with_series=with_series)]
    notices += _window_notices(file, method.window_s, found.table.step_ns / NS_PER_S)
    columns = len(found.table.names)
    return Scored(str(file), str(target), len(found), columns, taught_rows, int(own.sum()), stretches, took_s, notices)


def _check(found: CsvTable, options: ScoreOptions, kinds: Mapping[str, Kind]) -> None:
    """Raises ScoreError."""
    if options.train_rows >= len(found):
        raise ScoreError(
            f"{found.path}: has {len(found)} rows, and --train-rows {options.train_rows} leaves none to "
            "judge; take fewer"
        )
    unknown = next((name for name in kinds if name not in found.table.names), "")
    if unknown:
        raise ScoreError(f"--kind {unknown}: {found.path} has no such column; it has {', '.join(found.table.names)}")


def _first_rows(found: CsvTable, count: int) -> int:
    """How many rows of the table the first rows of the file in order of time are; repeated instants are one row."""
    rows = np.sort(found.row[found.row >= 0])
    return int(rows[min(count, len(rows)) - 1]) + 1 if count else 0


def _alarms(verdicts: Verdicts, taught_rows: int) -> NDArray[np.bool_]:
    """Where a row's score is at the method's own threshold or past it; never in the rows that only teach."""
    alarm = verdicts.score >= 1.0
    alarm[:taught_rows] = False
    return alarm


def _window_notices(file: Path, window_s: float, step_s: float) -> list[str]:
    if not 0 < window_s < _LEAST_WINDOW_ROWS * step_s:
        return []
    told = f"{file.name}: window_s {window_s:g} holds fewer than {_LEAST_WINDOW_ROWS} rows, which say little of a rate"
    return [f"{told}; take {_WINDOW_ROWS * step_s:g}, or leave it out"]


def _notices(file: Path, whole: CsvTable, verdicts: Verdicts, *, with_series: bool) -> list[str]:
    said = []
    others: dict[Kind, list[str]] = {kind: [] for kind in _KINDS if kind is not Kind.GAUGE}
    for name, kind in zip(whole.table.names, verdicts.kinds, strict=True):
        if kind is not Kind.GAUGE:
            others[kind].append(name)
    said += [f"{file.name}: read as {kind}: {', '.join(names)}" for kind, names in others.items() if names]
    if verdicts.lesson:
        said.append(f"{file.name}: the lesson of the first {verdicts.taught_rows} rows: {verdicts.lesson}")
    if np.isnan(verdicts.score).all():
        said.append(f"{file.name}: the method had nothing to say of these rows; take another, or give it more of them")
    said += [f"{file.name}: {name}: only rises, so it is judged by its rise from row to row" for name in verdicts.rates]
    judged_score = verdicts.score[verdicts.taught_rows :]
    if len(judged_score) > 1 and np.nanmax(judged_score, initial=0.0) <= 0.0 and not np.isnan(judged_score).all():
        said.append(f"{file.name}: {_NOTHING_TOLD}")
    if not with_series:
        said.append(f"{file.name}: more than {_MOST_CELLS:,} cells: only the rows' own verdicts are written")
    return said
