"""`andon dead ...` and `andon ledger`: what could not be taken, and what is known to be missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from deploy.commands.console import Json, SitePath, SpoolOption, out, print_table, say, spool_of
from deploy.instants import utc_of_ns

app = typer.Typer(help="Messages and rows that could not be taken.", no_args_is_help=True)


@app.command("list")
def dead_list(site: SitePath, spool: SpoolOption = None, limit: int = 50, as_json: Json = False) -> None:
    """Lists what could not be taken, newest first, with the reason."""
    with spool_of(site, spool) as opened:
        letters = opened.dead.read(limit)
    rows = [
        {
            "topic": one.topic,
            "reason": one.reason,
            "times": one.times,
            "payload": one.payload[:200].decode("utf-8", "replace"),
        }
        for one in letters
    ]
    _show(rows, ("topic", "reason", "times", "payload"), as_json)


@app.command("replay")
def dead_replay(
    site: SitePath,
    spool: SpoolOption = None,
    topic: Annotated[str, typer.Option(help="Only letters of this topic.")] = "",
    as_json: Json = False,
) -> None:
    """Decodes the letters again after site.toml was mended; what can be read now is stored with its own times."""
    from collector.clocks.clock import WallClock
    from collector.dead_replay import replay_dead
    from deploy.site import load_site

    with spool_of(site, spool) as opened:
        came = replay_dead(opened, load_site(site).decoder(WallClock()), topic)
    if as_json:
        out.print_json(json.dumps(came._asdict()))
    else:
        say(f"{came.letters} letters gave {came.readings} readings; {came.still_dead} still cannot be read")


def ledger(site: SitePath, spool: SpoolOption = None, limit: int = 50, as_json: Json = False) -> None:
    """Lists what is known to be missing: when, of what, how much and why, newest first."""
    with spool_of(site, spool) as opened:
        gaps = opened.ledger.read(limit)
    rows = [
        {
            "asset": gap.asset,
            "cause": str(gap.cause),
            "from": utc_of_ns(gap.from_ns),
            "to": utc_of_ns(gap.to_ns),
            "missing": gap.missing,
            "note": gap.note,
        }
        for gap in gaps
    ]
    _show(rows, ("asset", "cause", "from (UTC)", "to", "missing", "note"), as_json)


def _show(rows: Sequence[dict[str, object]], names: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps(rows))
    else:
        print_table(names, rows)
