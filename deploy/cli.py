"""`andon ...`: words and wiring, no logic. A command that cannot go on answers with one sentence (exit 2)."""

from __future__ import annotations

import gc
import logging
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from collector.errors import AndonError
from deploy.amounts import amount
from deploy.commands import (
    alerts,
    backtest,
    bench,
    books,
    chain,
    dashboards,
    dead,
    detect_format,
    doctor,
    explain,
    score,
    status,
    train,
)
from deploy.commands.console import SitePath, SpoolOption, complain, progress_bar, say, stand_by, until_ctrl_c
from deploy.report import Report

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.add_typer(alerts.app, name="alerts")
app.add_typer(dead.app, name="dead")
app.command()(dead.ledger)
app.command()(doctor.doctor)
app.command("detect-format")(detect_format.detect_format)
app.command()(books.books)
app.command()(status.status)
app.command()(train.train)
app.command()(score.score)
app.command()(backtest.backtest)
app.command()(explain.explain)
app.command("bench")(bench.run_bench)
app.add_typer(chain.app, name="chain")
app.add_typer(dashboards.app, name="dashboards")


def _version(wanted: bool) -> None:
    if wanted:
        try:
            say(f"andon {version('andon')}")
        except PackageNotFoundError:
            say("andon, run from its source: not installed, so it has no version")
        raise typer.Exit


@app.callback()
def andon(
    _version_only: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Says the version and stops.")
    ] = False,
) -> None:
    """Andon: factory-floor telemetry and supply-risk monitor."""


def main() -> None:
    """Runs a command; a fault that a person can mend is one sentence, not a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        app()
    except AndonError as error:
        complain(f"andon: {error}")
        sys.exit(2)


@app.command()
def demo(
    site: Annotated[str, typer.Option(help="teaching_factory (a real rig) or nev_drive (a simulated plant).")] = (
        "teaching_factory"
    ),
    speed: Annotated[str, typer.Option(help="Plant seconds per second, or `max`.")] = "60",
    until_end: Annotated[bool, typer.Option("--until-end", help="Run to the end without a board, then stop.")] = False,
    report: Annotated[Path | None, typer.Option(help="With --until-end: write report.md and report.json here.")] = None,
    board_port: Annotated[int, typer.Option(help="The board's port; 0 takes a free one.")] = 8470,
    port: Annotated[int | None, typer.Option(help="The demo broker's port; a free one when not given.")] = None,
) -> None:
    """Everything in one process: broker, plant, collector, detectors, chain and the board on localhost."""
    from deploy.demo import DemoOptions, run_demo
    from deploy.demo import Progress as DemoProgress

    options = DemoOptions(
        site=site,
        speed=_speed(speed),
        until_end=until_end,
        report=report,
        board=not until_end,
        board_port=board_port,
        broker_port=port,
    )
    with progress_bar(f"demo {site}") as on_published, until_ctrl_c() as jobs:
        found = run_demo(options, DemoProgress(_say_address, on_published), jobs)
    if found is not None:
        _say_report(found, report)


@app.command()
def collect(site: SitePath, spool: SpoolOption = None) -> None:
    """Collects from the site's broker into the spool and on to its stores, until Ctrl-C or SIGTERM."""
    from collector.health.counters import Counters
    from collector.pump import remembered_clock_ns
    from deploy.allocator import give_back_memory
    from deploy.running import start_collector, start_watcher
    from deploy.site import load_site

    give_back_memory()
    loaded = load_site(site, spool_path=spool)
    with loaded.open_spool() as opened:
        clock = loaded.own_clock(remembered_clock_ns(opened))
    stores, counters = loaded.stores(), Counters()
    gc.freeze()  # what is loaded by now stays; only what comes with messages needs looking after
    gc.set_threshold(50_000)
    with until_ctrl_c() as jobs:
        start_collector(jobs, loaded, clock, counters, stores)
        start_watcher(jobs, loaded, clock, counters)
        stand_by(jobs)


@app.command()
def detect(site: SitePath, spool: SpoolOption = None) -> None:
    """Runs the detectors and the alerts' lives over the spool, until Ctrl-C or SIGTERM."""
    from collector.health.counters import Counters
    from deploy.allocator import give_back_memory
    from deploy.running import start_detection
    from deploy.site import load_site
    from deploy.training import start_training

    give_back_memory()
    loaded = load_site(site, spool_path=spool)
    with until_ctrl_c() as jobs:
        start_detection(jobs, loaded, loaded.own_clock(0), Counters(process="detection"))
        start_training(jobs, loaded)
        stand_by(jobs)


@app.command()
def board(
    site: SitePath,
    spool: SpoolOption = None,
    host: Annotated[str | None, typer.Option(help=r"Listen here instead of \[board] host.")] = None,
    port: Annotated[int | None, typer.Option(help=r"Listen here instead of \[board] port.")] = None,
) -> None:
    """Serves the local board over the spool, until Ctrl-C or SIGTERM."""
    from deploy.running import start_board
    from deploy.site import load_site

    loaded = load_site(site, spool_path=spool)
    with until_ctrl_c() as jobs:
        _say_address(start_board(jobs, loaded, host=host, port=port))
        stand_by(jobs)


@app.command()
def check(site: SitePath) -> None:
    """Checks a site.toml and all it names, without a network."""
    from deploy.site import load_site

    loaded = load_site(site)
    loaded.check_files()
    for warning in loaded.warnings():
        say(f"warning: {warning}")
    chain = f", a chain of {amount(len(loaded.network.nodes), 'node')}" if loaded.network else ""
    say(f"{site} is sound: {amount(len(loaded.rules), 'rule')}{chain}.")


@app.command()
def tail(
    site: SitePath,
    count: Annotated[int, typer.Option(help="End after so many messages; 0 goes on.")] = 0,
    record: Annotated[Path | None, typer.Option(help="Also append the messages to this recording.")] = None,
) -> None:
    """Shows the site's messages as they arrive and what they decode to; stores nothing."""
    from deploy.messages import tail_messages
    from deploy.site import load_site

    with until_ctrl_c() as jobs:
        for line in tail_messages(load_site(site), jobs.stop, count=count, record=record):
            say(line)


@app.command()
def replay(
    site: SitePath,
    recording: Annotated[Path, typer.Argument(help="A recorded message file (.jsonl).")],
    speed: Annotated[str, typer.Option(help="Recorded seconds per second, or `max`.")] = "max",
) -> None:
    """Publishes a recorded message file to the site's broker at QoS 1, message by message."""
    from deploy.messages import replay_recording
    from deploy.site import load_site

    with progress_bar("replay") as on_published, until_ctrl_c() as jobs:
        published = replay_recording(load_site(site), recording, _speed(speed), jobs.stop, on_published)
    say(f"published {published} messages")


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise typer.BadParameter(f"--speed {text}: a number above 0, or `max`")
    return speed


def _say_address(address: str) -> None:
    say(f"The board is at {address} (Ctrl-C ends it)")


def _say_report(report: Report, folder: Path | None) -> None:
    warned = sum(one.lead_time_s is not None for one in report.shortages)
    say(
        f"{report.published} published, {report.stored} stored, {report.dead_lettered} dead-lettered, "
        f"{report.lost} lost, {report.duplicates_visible} duplicates visible\n"
        f"{len(report.shortages)} stocks ran empty, {warned} warned of, "
        f"{report.shortage_alerts_not_empty} shortage alerts not followed by empty, "
        f"{report.false_shortage_alerts} of them false; {len(report.stops)} stops; {len(report.alerts)} alerts"
    )
    if folder is not None:
        say(f"report.md and report.json are in {folder}")


if __name__ == "__main__":
    main()
