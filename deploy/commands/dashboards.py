"""`andon dashboards ...`: Grafana as code."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from collector.errors import AndonError
from deploy.commands.console import complain, say

if TYPE_CHECKING:
    from dashboards.provision.client import Grafana
    from dashboards.provision.wanted import Thing
    from dashboards.render import Wishes

app = typer.Typer(help="Grafana as code.", no_args_is_help=True)

RenderedFolder = Annotated[Path, typer.Argument(help="Where the rendered files are.")]
SiteOption = Annotated[
    Path | None, typer.Option("--site", help="A site.toml: its shifts mute warnings while nobody is meant to produce.")
]
BoardOption = Annotated[str, typer.Option("--board-url", help="Where browsers find the local board.")]
ButtonOption = Annotated[bool, typer.Option("--acknowledge", help="Alert rows get a button that acknowledges.")]
Url = Annotated[str, typer.Argument(metavar="URL", help="The address of Grafana, such as http://127.0.0.1:3000.")]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="Holds a service account's token and nothing else; otherwise GRAFANA_TOKEN."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]


@app.command("render")
def dashboards_render(
    folder: RenderedFolder = Path("deploy/grafana"),
    site: SiteOption = None,
    board_url: BoardOption = "",
    acknowledge: ButtonOption = False,
) -> None:
    """Writes Grafana's dashboards and provisioning files."""
    from dashboards.render import render

    for path in render(folder, _wishes(site, board_url, acknowledge)):
        say(str(path))


@app.command("check")
def dashboards_check(
    folder: RenderedFolder = Path("deploy/grafana"),
    site: SiteOption = None,
    board_url: BoardOption = "",
    acknowledge: ButtonOption = False,
) -> None:
    """Compares the files in a folder with what would be rendered now: exit code 2 where they differ."""
    from dashboards.render import check as differences

    found = differences(folder, _wishes(site, board_url, acknowledge))
    for line in found:
        complain(line)
    if found:
        raise typer.Exit(2)
    say(f"{folder} is up to date.")


@app.command("provision")
def dashboards_provision(
    folder: Annotated[Path, typer.Argument(help="Grafana's own folder of settings.")] = Path("/etc/grafana"),
    site: SiteOption = None,
    board_url: BoardOption = "",
    acknowledge: ButtonOption = False,
    dry_run: DryRun = False,
) -> None:
    """Puts the files where a Grafana on this machine reads them; done again, nothing changes.

    Grafana's own environment must have INFLUX_URL, INFLUX_BUCKET and INFLUX_TOKEN.
    """
    from dashboards.provision.on_disk import put
    from dashboards.render import files

    changed = list(put(folder, files(_wishes(site, board_url, acknowledge)), dry_run=dry_run))
    for path, change, lines in changed:
        say(f"{path} {change}")
        for line in lines:
            say(f"  {line}")
    say(_in_all(len(changed), dry_run))
    if changed and not dry_run:
        say("Boards are read by themselves; restart Grafana for its data source and rules.")


@app.command("push")
def dashboards_push(
    url: Url,
    token_file: TokenFile = None,
    site: SiteOption = None,
    board_url: BoardOption = "",
    acknowledge: ButtonOption = False,
    dry_run: DryRun = False,
    secrets: Annotated[bool, typer.Option("--secrets", help="Send the data source's token again.")] = False,
) -> None:
    """Puts folder, data source, boards and rules into a running Grafana; again changes nothing.

    The data source takes INFLUX_URL, INFLUX_BUCKET and INFLUX_TOKEN from the environment. Exit code 1 where something
    had to be left alone.
    """
    from dashboards.provision.push import Change, push

    grafana = _connect(url, token_file)
    changed, left = 0, 0
    for pushed in push(grafana, _wanted(site, board_url, acknowledge), dry_run=dry_run, secrets=secrets):
        if pushed.change is Change.NONE:
            continue
        (complain if pushed.is_wrong_still else say)(str(pushed))
        for difference in pushed.why:
            say(f"  {difference}")
        changed, left = changed + (not pushed.is_wrong_still), left + pushed.is_wrong_still
    say(_in_all(changed, dry_run))
    if left:
        raise typer.Exit(1)


@app.command("smoke")
def dashboards_smoke(
    url: Url,
    token_file: TokenFile = None,
    site: SiteOption = None,
    board_url: BoardOption = "",
    acknowledge: ButtonOption = False,
) -> None:
    """Reads everything back from a running Grafana, checks its data sources, says what differs; changes nothing.

    Exit code 1 where something is missing, differs or is not well.
    """
    from dashboards.provision.smoke import smoke

    wrong = 0
    for sentence, is_wrong in smoke(_connect(url, token_file), _wanted(site, board_url, acknowledge)):
        mark = {True: "wrong", False: "ok", None: "note"}[is_wrong]
        (complain if is_wrong else say)(f"{mark:6}{sentence}")
        wrong += bool(is_wrong)
    if wrong:
        raise typer.Exit(1)


def _wishes(site: Path | None, board_url: str, acknowledge: bool) -> Wishes:
    from dashboards.render import Wishes
    from dashboards.variables import BOARD_URL

    wishes = Wishes(board_url=board_url or BOARD_URL, acknowledges=acknowledge)
    if site is None:
        return wishes
    from collector.config import Site, read
    from detectors.calendar import PlannedStop, Shift, calendar_of

    document = read(site)
    timezone = document.section("site", Site).timezone
    calendar_of(document, timezone)  # its checks
    shifts, stops = document.sections("shift", Shift), document.sections("planned_stop", PlannedStop)
    return replace(wishes, timezone=timezone, shifts=shifts, stops=stops)


def _wanted(site: Path | None, board_url: str, acknowledge: bool) -> list[Thing]:
    from dashboards.provision.wanted import wanted
    from dashboards.render import files

    return wanted(files(_wishes(site, board_url, acknowledge)), os.environ)


def _connect(url: str, token_file: Path | None) -> Grafana:
    from dashboards.provision.client import connect

    try:
        token = token_file.read_text(encoding="utf-8").strip() if token_file else os.environ.get("GRAFANA_TOKEN", "")
    except OSError as error:
        raise AndonError(f"{token_file}: cannot be read ({error.strerror}); give a file with the token") from error
    if not token:
        raise AndonError("no token: give --token-file or set GRAFANA_TOKEN to that of a service account of Grafana")
    return connect(url, token)


def _in_all(changed: int, dry_run: bool) -> str:
    if not changed:
        return "Nothing to change."
    return f"{changed} would change; nothing was sent." if dry_run else f"{changed} changed."
