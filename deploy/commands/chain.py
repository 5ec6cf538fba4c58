"""`andon chain ...`: the map of the chain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.console import SitePath, SpoolOption, complain, say, stand_by, until_ctrl_c

app = typer.Typer(help="The map of the chain and its present risk.", no_args_is_help=True)


@app.command("check")
def chain_check(folder: Annotated[Path, typer.Argument(help="A folder of chain CSV files.")]) -> None:
    """Checks a chain's files; names every fault by file and row."""
    from detectors.chain.folder import check as faults_of

    faults = faults_of(folder)
    for fault in faults:
        complain(fault)
    if faults:
        raise typer.Exit(2)
    say(f"{folder} is sound.")


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
