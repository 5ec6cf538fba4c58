"""`andon score`: any method on anybody's CSV."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import typer

from deploy.commands.console import Json, complain, out, print_table, progress_bar

if TYPE_CHECKING:
    from deploy.score import Scored


def score(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.CSV...", help="Tables: a time and columns of numbers.")],
    method: Annotated[str, typer.Option(help="A method: a file of detectors/methods.")],
    target: Annotated[Path, typer.Option("--out", help="The folder to write to: a file for each file.")],
    train_rows: Annotated[int, typer.Option(min=0, help="The first rows only teach: no alarms there.")] = 0,
    train: Annotated[Path | None, typer.Option(help="A file whose rows teach before those of each file.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="The method's own, key=value; may be repeated.")] = None,
    column: Annotated[list[str] | None, typer.Option(help="Judge only columns of these names (globs).")] = None,
    without: Annotated[list[str] | None, typer.Option(help="Leave out columns of these names (globs).")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="COLUMN=gauge, counter or stock; guessed otherwise.")] = None,
    time: Annotated[str, typer.Option(help="The column that says when; found when not given.")] = "",
    timezone: Annotated[str, typer.Option(help="Of times that name none.")] = "UTC",
    step_s: Annotated[float, typer.Option(min=1e-6, help="Between rows of a file without times.")] = 1.0,
    explain: Annotated[bool, typer.Option("--explain", help="A last column: which columns made each alarm.")] = False,
    as_json: Json = False,
) -> None:
    """Runs a method over tables and writes, for every row, its score, the expected band and an alarm 0 or 1.

    A score of 1.0 is the method's own threshold; it is empty while the method does not know enough. Of several
    columns, a row's score and alarm are the largest of its columns', or the method's own where it judges a row as a
    whole; `worst` names the column. Columns are gauges unless the method has nothing to say of gauges.

    `alarm` is 1 in every row in which an alarm stands: compare it with labels of rows. `event` is 1 in the first row of
    each: count it to know how often somebody would have been called.

    A method that looks back over a window, and is not told how long, takes at least 15 rows. No calendar is known here:
    to `output_drop` a counter that stands at night is a stop, which ends with the first count.
    """
    from deploy.score import ScoreOptions, score_files
    from deploy.tables.columns import Choice

    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise typer.BadParameter(f"--timezone {timezone}: write an IANA name such as Asia/Shanghai") from error
    if train_rows and train is not None:
        raise typer.BadParameter("--train-rows or --train, not both")
    choice = Choice(time, tuple(column or ()), tuple(without or ()), dt.UTC if timezone == "UTC" else zone, step_s)
    options = ScoreOptions(method, target, tuple(option or ()), tuple(kind or ()), train_rows, train, choice, explain)
    with progress_bar(f"score {method}") as on_rows:
        scored = score_files(files, options, on_rows)
    if as_json:
        out.print_json(msgspec.json.encode(scored).decode())
        return
    _say(scored)


def _say(scored: Sequence[Scored]) -> None:
    """The notices of each file, then a table with a row a file."""
    for one in scored:
        for notice in one.notices:
            complain(notice)
    names = ("file", "rows", "columns", "taught", "alarms", "stretches", "rows/s")
    print_table(
        names,
        [
            {
                "file": one.written,
                "rows": one.rows,
                "columns": one.columns,
                "taught": one.taught_rows,
                "alarms": one.alarms,
                "stretches": one.stretches,
                "rows/s": f"{one.rows / max(one.took_s, 1e-9):,.0f}",
            }
            for one in scored
        ],
    )
