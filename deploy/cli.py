"""`andon ...`: words and wiring, no logic. Every command answers with a sentence when it cannot go on (exit 2)."""

from __future__ import annotations

import getpass
import json
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from collector.errors import AndonError
from deploy.crew import Crew

app = typer.Typer(
    help="Andon: factory-floor telemetry and supply-risk monitor.", no_args_is_help=True, add_completion=False
)
alerts_app = typer.Typer(help="Open alerts: list, acknowledge, shelve, comment.", no_args_is_help=True)
dead_app = typer.Typer(help="Messages and rows that could not be taken.", no_args_is_help=True)
chain_app = typer.Typer(help="The map of the chain and its present risk.", no_args_is_help=True)
dashboards_app = typer.Typer(help="Grafana as code.", no_args_is_help=True)
app.add_typer(alerts_app, name="alerts")
app.add_typer(dead_app, name="dead")
app.add_typer(chain_app, name="chain")
app.add_typer(dashboards_app, name="dashboards")

out = Console()
err = Console(stderr=True)

SitePath = Annotated[Path, typer.Argument(metavar="SITE.TOML", help="The site's configuration.")]
SpoolOption = Annotated[Path | None, typer.Option("--spool", help="Another spool file than [spool] path.")]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Who = Annotated[str, typer.Option("--who", help="Who does it.", default_factory=getpass.getuser)]


def main() -> None:
    """Runs a command; a fault that a person can mend is one sentence, not a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        app()
    except AndonError as error:
        err.print(f"andon: {error}", markup=False, highlight=False, soft_wrap=True)
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
    with _progress_bar(f"demo {site}") as on_published, _until_ctrl_c() as crew:
        found = run_demo(options, DemoProgress(_say_address, on_published), crew)
    if found is not None:
        _say_report(found, report)


@app.command()
def collect(site: SitePath, spool: SpoolOption = None) -> None:
    """Collects from the site's broker into the spool and on to its stores, until Ctrl-C or SIGTERM."""
    from collector.health import Counters
    from deploy.running import start_collector
    from deploy.site import load_site

    loaded = load_site(site, spool_path=spool)
    with loaded.open_spool() as opened:
        clock = loaded.own_clock(opened.log.clock_ns())
    with _until_ctrl_c() as crew:
        start_collector(crew, loaded, clock, Counters(), loaded.sinks())
        _stand_by(crew)


@app.command()
def detect(site: SitePath, spool: SpoolOption = None) -> None:
    """Runs the detectors and the alerts' lives over the spool, until Ctrl-C or SIGTERM."""
    from deploy.running import start_detection
    from deploy.site import load_site

    loaded = load_site(site, spool_path=spool)
    with _until_ctrl_c() as crew:
        start_detection(crew, loaded)
        _stand_by(crew)


@app.command()
def board(
    site: SitePath,
    spool: SpoolOption = None,
    host: Annotated[str | None, typer.Option(help="Listen here instead of [board] host.")] = None,
    port: Annotated[int | None, typer.Option(help="Listen here instead of [board] port.")] = None,
) -> None:
    """Serves the local board over the spool, until Ctrl-C or SIGTERM."""
    from deploy.running import start_board
    from deploy.site import load_site

    loaded = load_site(site, spool_path=spool)
    with _until_ctrl_c() as crew:
        _say_address(start_board(crew, loaded, host=host, port=port))
        _stand_by(crew)


@app.command()
def check(site: SitePath) -> None:
    """Checks a site.toml and all it names, without a network."""
    from deploy.site import load_site

    loaded = load_site(site)
    chain = f", a chain of {len(loaded.network.nodes)} nodes" if loaded.network else ""
    out.print(f"{site} is sound: {len(loaded.rules)} rules{chain}.", markup=False, soft_wrap=True)


@app.command()
def tail(
    site: SitePath,
    count: Annotated[int, typer.Option(help="End after so many messages; 0 goes on.")] = 0,
    record: Annotated[Path | None, typer.Option(help="Also append the messages to this recording.")] = None,
) -> None:
    """Shows the site's messages as they arrive and what they decode to; stores nothing."""
    from deploy.messages import tail_messages
    from deploy.site import load_site

    with _until_ctrl_c() as crew:
        for line in tail_messages(load_site(site), crew.stop, count=count, record=record):
            out.print(line, markup=False, highlight=False, soft_wrap=True)


@app.command()
def replay(
    site: SitePath,
    recording: Annotated[Path, typer.Argument(help="A recorded message file (.jsonl).")],
    speed: Annotated[str, typer.Option(help="Recorded seconds per second, or `max`.")] = "max",
) -> None:
    """Publishes a recorded message file to the site's broker at QoS 1, message by message."""
    from deploy.messages import replay_recording
    from deploy.site import load_site

    with _progress_bar("replay") as on_published, _until_ctrl_c() as crew:
        published = replay_recording(load_site(site), recording, _speed(speed), crew.stop, on_published)
    out.print(f"published {published} messages")


@alerts_app.command("list")
def alerts_list(site: SitePath, spool: SpoolOption = None, everything: bool = False, as_json: Json = False) -> None:
    """Lists the alerts that want attention, worst first; with --everything the hidden and the ended ones too."""
    from deploy.alerts import listed

    with _spool_of(site, spool) as opened:
        found = listed(opened, everything=everything)
    if as_json:
        out.print_json(json.dumps(found))
        return
    _print_table(("alert", "state", "severity", "raised at (UTC)", "owner"), found)


@alerts_app.command("ack")
def alerts_ack(site: SitePath, alert_id: str, who: Who, spool: SpoolOption = None, text: str = "") -> None:
    """Acknowledges an alert: you own it now."""
    _act(site, spool, "ack", alert_id, who, text)


@alerts_app.command("shelve")
def alerts_shelve(
    site: SitePath, alert_id: str, who: Who, minutes: float = 60.0, text: str = "", spool: SpoolOption = None
) -> None:
    """Hides an alert for a while, with a reason."""
    _act(site, spool, "shelve", alert_id, who, text, minutes=minutes)


@alerts_app.command("unshelve")
def alerts_unshelve(site: SitePath, alert_id: str, who: Who, text: str = "", spool: SpoolOption = None) -> None:
    """Shows a shelved alert again before its time."""
    _act(site, spool, "unshelve", alert_id, who, text)


@alerts_app.command("comment")
def alerts_comment(site: SitePath, alert_id: str, text: str, who: Who, spool: SpoolOption = None) -> None:
    """Adds a comment to an alert."""
    _act(site, spool, "comment", alert_id, who, text)


@dead_app.command("list")
def dead_list(site: SitePath, spool: SpoolOption = None, limit: int = 50, as_json: Json = False) -> None:
    """Lists what could not be taken, newest first, with the reason."""
    with _spool_of(site, spool) as opened:
        letters = opened.dead.read(limit)
    rows = [
        {"topic": one.topic, "reason": one.reason, "payload": one.payload[:200].decode("utf-8", "replace")}
        for one in letters
    ]
    if as_json:
        out.print_json(json.dumps(rows))
        return
    _print_table(("topic", "reason", "payload"), rows)


@chain_app.command("check")
def chain_check(folder: Annotated[Path, typer.Argument(help="A folder of chain CSV files.")]) -> None:
    """Checks a chain's files; names every fault by file and row."""
    from detectors.chain.folder import check as faults_of

    faults = faults_of(folder)
    for fault in faults:
        err.print(fault, markup=False, highlight=False, soft_wrap=True)
    if faults:
        raise typer.Exit(2)
    out.print(f"{folder} is sound.", markup=False, soft_wrap=True)


@chain_app.command("run")
def chain_run(site: SitePath, spool: SpoolOption = None) -> None:
    """Recomputes the chain's exposure on every change of an alert, until Ctrl-C or SIGTERM."""
    from collector.config import ConfigError
    from deploy.running import start_chain
    from deploy.site import load_site

    loaded = load_site(site, spool_path=spool)
    if loaded.network is None:
        raise ConfigError(f'{site}: no [chain]: add `[chain]` with `folder = "chain"`')
    with _until_ctrl_c() as crew:
        start_chain(crew, loaded, loaded.network)
        _stand_by(crew)


@dashboards_app.command("render")
def dashboards_render(folder: Path = Path("deploy/grafana")) -> None:
    """Writes Grafana's dashboards and provisioning files."""
    from dashboards.render import render

    for path in render(folder):
        out.print(str(path), markup=False, soft_wrap=True)


@dashboards_app.command("check")
def dashboards_check(folder: Path = Path("deploy/grafana")) -> None:
    """Compares the files in a folder with what would be rendered now."""
    from dashboards.render import check as differences

    found = differences(folder)
    for line in found:
        err.print(line, markup=False, soft_wrap=True)
    if found:
        raise typer.Exit(2)
    out.print(f"{folder} is up to date.", markup=False, soft_wrap=True)


@app.command("bench")
def run_bench() -> None:
    """Measures this machine: readings per second and bytes per reading, three runs each."""
    from deploy.bench import RUNS, bench, machine

    out.print(f"{machine()}; {RUNS} runs each", highlight=False)
    bench(lambda line: out.print(line, markup=False, highlight=False, soft_wrap=True))


def _act(
    site: Path, spool: Path | None, action: str, alert_id: str, who: str, text: str, minutes: float = 60.0
) -> None:
    from collector.spool.frames import Action
    from deploy.alerts import done

    with _spool_of(site, spool) as opened:
        out.print(done(opened, Action(action), alert_id, who, text, minutes), markup=False, soft_wrap=True)


@contextmanager
def _spool_of(site: Path, spool: Path | None) -> Iterator[Any]:
    from deploy.alerts import existing_spool
    from deploy.site import load_site

    with existing_spool(load_site(site, spool_path=spool)) as opened:
        yield opened


@contextmanager
def _until_ctrl_c() -> Iterator[Crew]:
    """A crew that Ctrl-C and SIGTERM end cleanly; raises the first failure of its members."""
    crew = Crew()

    def end(_signal: int, _frame: FrameType | None) -> None:
        crew.stop.set()

    before = {one: signal.signal(one, end) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield crew
    finally:
        crew.stop.set()
        for one, handler in before.items():
            signal.signal(one, handler)
    crew.dismiss()


def _stand_by(crew: Crew) -> None:
    while not crew.stop.wait(0.5):
        pass


@contextmanager
def _progress_bar(what: str) -> Iterator[Any]:
    """A bar on stderr; yields what to call with (published, total or None, event time in ns)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[at]}"), console=err, refresh_per_second=5) as bar:
        task = bar.add_task(what, total=None, at="")

        def on_published(count: int, total: int | None, at_ns: int) -> None:
            if count % 20 == 0 or count == total:
                bar.update(task, completed=count, total=total, at=_instant(at_ns))

        yield on_published


def _instant(at_ns: int) -> str:
    import datetime as dt

    return dt.datetime.fromtimestamp(at_ns / 1e9, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


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
    out.print(f"The board is at {address} (Ctrl-C ends the demo)", markup=False, soft_wrap=True)


def _say_report(report: Any, folder: Path | None) -> None:
    warned = sum(one.lead_time_s is not None for one in report.shortages)
    out.print(
        f"{report.published} published, {report.stored} stored, {report.dead_lettered} dead-lettered, "
        f"{report.lost} lost, {report.duplicates_visible} duplicates visible\n"
        f"{len(report.shortages)} stocks ran empty, {warned} warned of, "
        f"{report.false_shortage_alerts} false shortage alerts; {len(report.stops)} stops; {len(report.alerts)} alerts",
        soft_wrap=True,
    )
    if folder is not None:
        out.print(f"report.md and report.json are in {folder}", markup=False, soft_wrap=True)


def _print_table(names: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    table = Table(*names, box=None)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    out.print(table)


if __name__ == "__main__":
    main()
