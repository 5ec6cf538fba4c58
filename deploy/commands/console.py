"""What the commands share: where they print, the types of their arguments, Ctrl-C, the progress bar."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from collector.spool.spool import Spool
from deploy.instants import utc_of_ns
from deploy.jobs import Jobs

out = Console()
err = Console(stderr=True)

SitePath = Annotated[Path, typer.Argument(metavar="SITE.TOML", help="The site's configuration.")]
SpoolOption = Annotated[Path | None, typer.Option("--spool", help=r"Another spool file than \[spool] path.")]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
OnPublished = Callable[[int, int | None, int], None]  # (published, total if known, event time in ns)


def say(text: str) -> None:
    """One line on stdout, as it is."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def complain(text: str) -> None:
    """One line on stderr, as it is."""
    err.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def spool_of(site: Path, spool: Path | None) -> Iterator[Spool]:
    from deploy.alerts import existing_spool
    from deploy.site import load_site

    with existing_spool(load_site(site, spool_path=spool)) as opened:
        yield opened


@contextmanager
def until_ctrl_c() -> Iterator[Jobs]:
    """Jobs that Ctrl-C and SIGTERM end cleanly; raises the first failure among them."""
    jobs = Jobs()

    def end(_signal: int, _frame: FrameType | None) -> None:
        jobs.stop.set()

    before = {one: signal.signal(one, end) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield jobs
    finally:
        jobs.stop.set()
        for one, handler in before.items():
            signal.signal(one, handler)
    jobs.end()


def stand_by(jobs: Jobs) -> None:
    while not jobs.stop.wait(0.5):
        pass


@contextmanager
def progress_bar(what: str) -> Iterator[OnPublished]:
    """A bar on stderr; yields what to call with (published, total or None, event time in ns)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[at]}"), console=err, refresh_per_second=5) as bar:
        task = bar.add_task(what, total=None, at="")

        def on_published(count: int, total: int | None, at_ns: int) -> None:
            if count % 20 == 0 or count == total:
                bar.update(task, completed=count, total=total, at=f"{utc_of_ns(at_ns)} UTC")

        yield on_published


@contextmanager
def counting_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr that goes when all is done; yields what to call with (done, of how many)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, refresh_per_second=5, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def print_table(names: tuple[str, ...], rows: Sequence[Mapping[str, object]]) -> None:
    table = Table(*names, box=None)
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row.values()))
    out.print(table)
