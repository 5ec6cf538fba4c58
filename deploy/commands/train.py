"""`andon train`: models of what is usual, from what the spool keeps."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.commands.console import Json, SitePath, SpoolOption, err, out, say
from deploy.instants import utc_of_ns

if TYPE_CHECKING:
    from detectors.models.store import Version

REFUSED = 1


def train(
    site: SitePath,
    spool: SpoolOption = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="What is new is how it runs from now on: train though much has changed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Trains the models of the site's rules now and hands them to detection; exit code 1 when one was refused.

    A window that is itself out of the ordinary is refused: the model in use stays, and an alert says why.
    """
    from deploy.alerts import existing_spool
    from deploy.site import load_site
    from deploy.training import trainer_of

    if hasattr(os, "nice"):
        os.nice(10)  # training waits for collection, never the other way round
    loaded = load_site(site, spool_path=spool)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with existing_spool(loaded) as opened, Progress(*columns, console=err) as bar:
        task = bar.add_task("reading history", total=None)
        told = trainer_of(opened, loaded).run(
            lambda done, of, what: bar.update(task, completed=done, total=of, description=f"train {what}".strip()),
            accept=accept,
        )
    if as_json:
        out.print_json(msgspec.json.encode(told).decode())
    else:
        say("\n".join(_said(told)))
    if any(one.refused for one in told):
        raise typer.Exit(REFUSED)


def _said(told: Sequence[Version]) -> Iterator[str]:
    if not told:
        yield "nothing to train: no [[rule]] has a method that is trained, or its line has no such series"
    for one in told:
        lesson = one.lesson
        yield f"{one.rule} {one.subject}: " + (f"REFUSED: {one.refused}" if one.refused else f"model {one.number}")
        if lesson.rows:
            yield f"  window   {utc_of_ns(lesson.from_ns)} to {utc_of_ns(lesson.to_ns)} UTC, {lesson.rows:,} quiet rows"
        yield f"  drift    {one.drift}"
        yield "  figures  " + ", ".join(f"{name} {value:.4g}" for name, value in lesson.metrics.items())
        if lesson.left_out:
            yield "  left out " + ", ".join(f"{metric} ({why})" for metric, why in lesson.left_out.items())
