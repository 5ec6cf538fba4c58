"""`andon dashboards ...`: Grafana as code."""

from __future__ import annotations

from pathlib import Path

import typer

from deploy.commands.console import complain, say

app = typer.Typer(help="Grafana as code.", no_args_is_help=True)


@app.command("render")
def dashboards_render(folder: Path = Path("deploy/grafana")) -> None:
    """Writes Grafana's dashboards and provisioning files."""
    from dashboards.render import render

    for path in render(folder):
        say(str(path))


@app.command("check")
def dashboards_check(folder: Path = Path("deploy/grafana")) -> None:
    """Compares the files in a folder with what would be rendered now."""
    from dashboards.render import check as differences

    found = differences(folder)
    for line in found:
        complain(line)
    if found:
        raise typer.Exit(2)
    say(f"{folder} is up to date.")
