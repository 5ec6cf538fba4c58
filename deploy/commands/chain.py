"""`andon chain ...`: the map of the chain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands import chain_answers
from deploy.commands.console import Json, SitePath, SpoolOption, complain, out, say, stand_by, until_ctrl_c

app = typer.Typer(help="The map of the chain and its present risk.", no_args_is_help=True)
app.command("verify")(chain_answers.chain_verify)
app.command("exposure")(chain_answers.chain_exposure)
app.command("systemic")(chain_answers.chain_systemic)
app.command("export")(chain_answers.chain_export)

_MOST_SAID = 200  # sentences of one kind; --json has all


@app.command("check")
def chain_check(
    folder: Annotated[Path, typer.Argument(help="A folder of chain CSV files.")],
    stale_after_d: Annotated[float, typer.Option(min=0, help="Facts older than so many days are told.")] = 365.0,
    as_json: Json = False,
) -> None:
    """Checks a chain's files; names every error and warning by file, row and remedy. Exit code 2 where errors are."""
    from collector.clocks.clock import WallClock
    from deploy.chain_check import facts, summary
    from detectors.chain.map.folder import check

    checked = check(folder, WallClock().now_ns(), stale_after_d)
    if as_json:
        out.print_json(data=facts(checked))
    else:
        for sentence in (*_most(checked.errors), *_most([f"warning: {warning}" for warning in checked.warnings])):
            complain(sentence)
        if checked.network is not None:
            say(summary(checked))
    if checked.network is None:
        raise typer.Exit(2)


def _most(sentences: Sequence[str]) -> list[str]:
    more = len(sentences) - _MOST_SAID
    return [*sentences[:_MOST_SAID], *([f"... and {more:,} more; --json has all"] if more > 0 else [])]


@app.command("lists")
def chain_lists(
    folder: Annotated[Path, typer.Argument(help="A folder of chain CSV files.")],
    by: Annotated[str, typer.Option(help="Group by: chain, cluster or division.")] = "",
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Without the names of firms and sites.")] = False,
    home: Annotated[str, typer.Option(help="What counts as home: CN, region:NAME or cluster:NAME.")] = "",
    settings: Annotated[Path | None, typer.Option(help="Thresholds of the lists, as TOML.")] = None,
    earlier: Annotated[
        list[Path] | None, typer.Option(help="An earlier folder of the same chain, again for more.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The planners' lists: blank points, weak links, shortcomings, long boards, and chain leaders with their SMEs."""
    from deploy.chain_lists import found_in

    found = found_in(folder, by=by, home=home, settings=settings, earlier=earlier or (), without_names=anonymous)
    if as_json:
        out.print_json(data=found.facts())
        return
    for sentence in found.sentences():
        say(sentence)


@app.command("why")
def chain_why(
    node: Annotated[str, typer.Argument(help="A node of the chain.")],
    where: Annotated[Path, typer.Argument(metavar="FOLDER|SITE", help="A chain folder, or a site.toml.")],
    settings: Annotated[Path | None, typer.Option(help="When a node is red or amber, as TOML.")] = None,
    as_json: Json = False,
) -> None:
    """Why a node is red: signal, days of stock, path, what binds, and how much more stock would turn it."""
    from deploy.chain_why import answer_of, thresholds_of

    answer = answer_of(where, node, thresholds_of(settings))
    if as_json:
        out.print_json(data=answer.facts())
        return
    for sentence in answer.sentences():
        say(sentence)


@app.command("run")
def chain_run(site: SitePath, spool: SpoolOption = None) -> None:
    """Recomputes the chain's exposure on every change of an alert, until Ctrl-C or SIGTERM."""
    from collector.config import ConfigError
    from collector.health.counters import Counters
    from deploy.allocator import give_back_memory
    from deploy.running import start_chain
    from deploy.site import load_site

    give_back_memory()
    loaded = load_site(site, spool_path=spool)
    if loaded.network is None:
        raise ConfigError(f'{site}: no [chain]: add `[chain]` with `folder = "chain"`')
    with until_ctrl_c() as jobs:
        start_chain(jobs, loaded, loaded.network, loaded.own_clock(0), Counters(process="chain"))
        stand_by(jobs)
