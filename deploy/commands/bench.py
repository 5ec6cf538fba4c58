"""`andon bench`: the figures of this machine."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from deploy.bench import figure
from deploy.commands.console import Json, err, out, say


def run_bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these benchmarks.")] = None,
    runs: Annotated[int | None, typer.Option(min=1, help="Runs of each instead of three.")] = None,
    as_json: Json = False,
) -> None:
    """Measures this machine: every benchmark three times, median and spread beside its bar."""
    unknown = set(names or ()) - set(figure.names())
    if unknown:
        raise typer.BadParameter(f"no benchmark {', '.join(sorted(unknown))}; there is {', '.join(figure.names())}")
    machine = figure.machine()
    if not as_json:
        say(machine)
    told = [_told(name, runs, as_json=as_json) for name in names or figure.names()]
    if as_json:
        out.print_json(data={"machine": machine, "benches": told})


def _told(name: str, runs: int | None, *, as_json: bool) -> dict[str, Any]:
    """Measures one benchmark and says so at once, unless all is said as JSON at the end."""
    try:
        with err.status(f"{name} ...") as progress:
            measured = figure.measure(name, lambda run, of: progress.update(f"{name}: run {run} of {of}"), runs)
    except figure.NotMeasured as error:
        if not as_json:
            say(f"{name}: NOT MEASURED: {error}")
        return {"bench": name, "not_measured": str(error)}
    if not as_json:
        say("\n".join(measured.lines()))
    return measured.facts()
