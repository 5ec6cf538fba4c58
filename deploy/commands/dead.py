"""`andon dead ...`: what could not be taken."""

from __future__ import annotations

import json

import typer

from deploy.commands.console import Json, SitePath, SpoolOption, out, print_table, spool_of

app = typer.Typer(help="Messages and rows that could not be taken.", no_args_is_help=True)


@app.command("list")
def dead_list(site: SitePath, spool: SpoolOption = None, limit: int = 50, as_json: Json = False) -> None:
    """Lists what could not be taken, newest first, with the reason."""
    with spool_of(site, spool) as opened:
        letters = opened.dead.read(limit)
    rows = [
        {"topic": one.topic, "reason": one.reason, "payload": one.payload[:200].decode("utf-8", "replace")}
        for one in letters
    ]
    if as_json:
        out.print_json(json.dumps(rows))
        return
    print_table(("topic", "reason", "payload"), rows)
