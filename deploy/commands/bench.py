"""`andon bench`: the figures of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.bench import figure
from deploy.bench.figure import Given
from deploy.commands.console import Json, err, out, say


def run_bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]... [DIR]", help="Only these benchmarks; after one that reads data, its folder."),
    ] = None,
    results: Annotated[Path | None, typer.Option("--out", help="Where a benchmark with data writes results.")] = None,
    runs: Annotated[int | None, typer.Option(min=1, help="Runs of each instead of three.")] = None,
    series: Annotated[int | None, typer.Option(min=40, help="Of `quiet`: how many series the plant has.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Of `quiet`: for how many days.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of `quiet`: another plant.")] = None,
    as_json: Json = False,
) -> None:
    """Measures this machine: every benchmark three times, median and spread beside its bar."""
    names, given = _sorted_out(names or [], results)
    given = given._replace(series=series, days=days, seed=seed)
    if given[2:] != Given()[2:] and not (names and all(map(figure.takes_size, names))):
        raise typer.BadParameter("--series, --days and --seed are of `quiet`: name it")
    machine = figure.machine()
    if not as_json:
        say(machine)
    told = [_told(name, runs, given, as_json=as_json) for name in names or figure.names()]
    if as_json:
        out.print_json(data={"machine": machine, "benches": told})


def _sorted_out(words: list[str], results: Path | None) -> tuple[list[str], Given]:
    """The benchmarks, and the folder that follows the one which reads it."""
    data = None
    if len(words) == 2 and words[0] in figure.names() and words[1] not in figure.names():
        words, data = words[:1], Path(words[1])
    unknown = set(words) - set(figure.names())
    if unknown:
        raise typer.BadParameter(f"no benchmark {', '.join(sorted(unknown))}; there is {', '.join(figure.names())}")
    if (data or results) and not (len(words) == 1 and figure.takes_data(words[0])):
        reading = ", ".join(name for name in figure.names() if figure.takes_data(name))
        raise typer.BadParameter(f"only these read a folder: {reading}; name one of them and the folder")
    return words, Given(data, results)


def _told(name: str, runs: int | None, given: Given, *, as_json: bool) -> dict[str, Any]:
    """Measures one benchmark and says so at once, unless all is said as JSON at the end."""
    try:
        with err.status(f"{name} ...") as progress:
            measured = figure.measure(name, lambda run, of: progress.update(f"{name}: run {run} of {of}"), runs, given)
    except figure.NotMeasured as error:
        if given.data is not None:
            raise
        if not as_json:
            say(f"{name}: NOT MEASURED: {error}")
        return {"bench": name, "not_measured": str(error)}
    if not as_json:
        say("\n".join(measured.lines()))
    return measured.facts()
