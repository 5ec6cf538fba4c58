"""`andon dead ...` and `andon ledger`: what could not be taken, and what is known to be missing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.commands.console import Json, SitePath, SpoolOption, out, print_table, say, spool_of
from deploy.instants import utc_of_ns

if TYPE_CHECKING:
    from collector.dead_replay import Revived
    from collector.dead_resend import Resent

app = typer.Typer(help="Messages and rows that could not be taken.", no_args_is_help=True)


@app.command("list")
def dead_list(site: SitePath, spool: SpoolOption = None, limit: int = 50, as_json: Json = False) -> None:
    """Lists what could not be taken, newest first, with the reason."""
    with spool_of(site, spool) as opened:
        letters = opened.dead.newest(limit)
    rows = [
        {
            "id": id_,
            "topic": one.topic,
            "reason": one.reason if as_json else one.reason.removeprefix(f"topic {one.topic}: "),
            "times": one.times,
            "payload": one.payload[:200].decode("utf-8", "replace"),
        }
        for id_, one in letters
    ]
    _show(rows, ("id", "topic", "reason", "times", "payload"), as_json)


@app.command("show")
def dead_show(
    site: SitePath,
    letter: Annotated[int, typer.Argument(metavar="ID", help="Its id, as `andon dead list` says it.")],
    spool: SpoolOption = None,
    as_json: Json = False,
) -> None:
    """Shows one letter whole: the payload as text, or as hex where it is none."""
    from deploy.dead import letter_of, payload_of

    with spool_of(site, spool) as opened:
        found = letter_of(opened, letter)
    shown = {
        "topic": found.topic,
        "reason": found.reason,
        "received": utc_of_ns(found.received_ns),
        "times": found.times,
        "bytes": len(found.payload),
        **payload_of(found),
    }
    if as_json:
        out.print_json(json.dumps(shown))
        return
    for name, value in shown.items():
        say(f"{name:9}{value}")


@app.command("replay")
def dead_replay(
    site: SitePath,
    spool: SpoolOption = None,
    topic: Annotated[str, typer.Option(help="Only letters of this topic.")] = "",
    store: Annotated[
        str, typer.Option(help=r"Instead: the rows that this [\[sink]] refused, offered to it again.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Decodes the letters again after site.toml was mended; what can be read now is stored with its own times."""
    from deploy.dead import offered_again, read_again
    from deploy.site import load_site

    if store and topic:
        raise typer.BadParameter("--store takes all that this store refused: leave out --topic")
    with spool_of(site, spool) as opened:
        if store:
            _tell_offered(offered_again(load_site(site), opened, store), as_json)
        else:
            _tell_read(*read_again(load_site(site), opened, topic), site, as_json)


def _tell_read(came: Revived, refused: Mapping[str, int], site: Path, as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps({**came._asdict(), "rows_refused": refused}))
        return
    say(f"{came.letters} letters gave {came.readings} readings; {came.still_dead} still cannot be read")
    for store, rows in sorted(refused.items()):
        say(f"{rows} rows that {store!r} refused wait: `andon dead replay {site} --store {store}` offers them again")


def _tell_offered(came: Resent, as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps(came._asdict()))
    else:
        why = ": `andon dead list` says why" if came.still_refused else ""
        say(f"{came.stored} rows are stored now; {came.still_refused} are still refused{why}")


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
