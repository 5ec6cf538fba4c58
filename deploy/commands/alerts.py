"""`andon alerts ...`: who owns what is wrong."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from collector.spool.frames import Action
from deploy.alerts import SCORECARD, alerts_in, budget_line, done, held_back, listed, scorecard_row
from deploy.commands.console import Json, SitePath, SpoolOption, out, print_table, say, spool_of

Who = Annotated[str, typer.Option("--who", help="Who does it.", default_factory=getpass.getuser)]
Verdict = Annotated[str, typer.Option("--verdict", help="Was the alert right: true or false; the scorecard counts it.")]

app = typer.Typer(
    help="Open alerts: list, acknowledge, shelve, comment; the scorecard of past ones.", no_args_is_help=True
)


@app.command("list")
def alerts_list(site: SitePath, spool: SpoolOption = None, everything: bool = False, as_json: Json = False) -> None:
    """Lists the alerts that want attention, worst first; with --everything the hidden and the ended ones too."""
    from detectors.budgets.keeping import needed_score

    with spool_of(site, spool) as opened:
        found = listed(opened, everything=everything)
        budget = budget_line(len(held_back(alerts_in(opened), opened.log.clock_ns())), needed_score(opened))
    if as_json:
        out.print_json(json.dumps(found))
        return
    print_table(("alert", "state", "severity", "raised at (UTC)", "owner"), found)
    if budget:
        say(budget if everything else f"{budget} (--everything lists them)")


@app.command("ack")
def alerts_ack(
    site: SitePath, alert_id: str, who: Who, spool: SpoolOption = None, text: str = "", verdict: Verdict = ""
) -> None:
    """Acknowledges an alert: you own it now."""
    _act(site, spool, Action.ACK, alert_id, who, text, verdict=verdict)


@app.command("shelve")
def alerts_shelve(
    site: SitePath, alert_id: str, who: Who, minutes: float = 60.0, text: str = "", spool: SpoolOption = None
) -> None:
    """Hides an alert for a while, with a reason."""
    _act(site, spool, Action.SHELVE, alert_id, who, text, minutes=minutes)


@app.command("unshelve")
def alerts_unshelve(site: SitePath, alert_id: str, who: Who, text: str = "", spool: SpoolOption = None) -> None:
    """Shows a shelved alert again before its time."""
    _act(site, spool, Action.UNSHELVE, alert_id, who, text)


@app.command("comment")
def alerts_comment(
    site: SitePath, alert_id: str, text: str, who: Who, spool: SpoolOption = None, verdict: Verdict = ""
) -> None:
    """Adds a comment to an alert, and with --verdict whether it was right; an ended one takes both, too."""
    _act(site, spool, Action.COMMENT, alert_id, who, text, verdict=verdict)


@app.command("scorecard")
def alerts_scorecard(site: SitePath, spool: SpoolOption = None, as_json: Json = False) -> None:
    """Every rule's past alerts: how many were raised, acknowledged and said to be true or false, and how soon."""
    from detectors.scorecard import scorecard

    with spool_of(site, spool) as opened:
        cards = scorecard(alerts_in(opened))
    if as_json:
        out.print_json(msgspec.json.encode(cards).decode())
        return
    print_table(SCORECARD, [dict(zip(SCORECARD, scorecard_row(card), strict=True)) for card in cards])


def _act(
    site: Path,
    spool: Path | None,
    action: Action,
    alert_id: str,
    who: str,
    text: str,
    minutes: float = 60.0,
    verdict: str = "",
) -> None:
    with spool_of(site, spool) as opened:
        say(done(opened, action, alert_id, who, text, minutes, verdict))
