"""`andon backtest`: new rules against what has already happened."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from deploy.commands.console import Json, SitePath, SpoolOption, out, print_table, progress_bar, say


def backtest(
    site: SitePath,
    since: Annotated[str, typer.Option("--from", help="Judge from here on (ISO 8601); what is before teaches.")] = "",
    until: Annotated[str, typer.Option("--to", help="Replay nothing from here on.")] = "",
    rules: Annotated[
        Path | None, typer.Option(help=r"A TOML file whose [\[rule]] sections stand in for the site's.")
    ] = None,
    capture: Annotated[Path | None, typer.Option(help="Replay this recording instead of the site's spool.")] = None,
    truth: Annotated[Path | None, typer.Option(help="truth.json of a simulated plant, to judge by.")] = None,
    operators: Annotated[int, typer.Option(min=1, help="Who shares the alerts.")] = 1,
    report: Annotated[Path | None, typer.Option(help="Write index.html, backtest.json and pictures here.")] = None,
    spool: SpoolOption = None,
    as_json: Json = False,
) -> None:
    """Replays a site's past through its detectors, without a broker, and says what the alerts are worth."""
    from deploy.backtest.page import figures
    from deploy.backtest.run import BacktestOptions, run_backtest
    from deploy.site import load_site

    zone = load_site(site).site.timezone
    from_ns, to_ns = _instant("--from", since, zone, otherwise=0), _instant("--to", until, zone, otherwise=2**62)
    if from_ns >= to_ns:
        raise typer.BadParameter(f"--from {since} is not before --to {until}; write the earlier one first")
    options = BacktestOptions(site, spool, from_ns, to_ns, rules, capture, truth, operators, report)
    with progress_bar("backtest") as on_replayed:
        found = run_backtest(options, on_replayed)
    if as_json:
        out.print_json(msgspec.json.encode(found).decode())
        return
    print_table(("figure", "value"), [{"figure": name, "value": value} for name, value in figures(found)])
    for sentence in found.missed:
        say(f"missed: {sentence}")
    if report is not None:
        say(f"index.html, backtest.json and alerts/*.png are in {report}")


def _instant(name: str, text: str, zone: str, *, otherwise: int) -> int:
    """UTC ns of ISO 8601 text; without a zone it is the site's own time."""
    from zoneinfo import ZoneInfo

    if not text:
        return otherwise
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{name} {text}: write an instant such as 2024-07-12T17:00") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    return int(moment.timestamp()) * 1_000_000_000
