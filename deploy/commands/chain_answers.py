"""`andon chain verify|exposure|systemic|export`: questions to a folder, answered once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.commands.console import Json, complain, counting_bar, out, print_table, say

if TYPE_CHECKING:
    from deploy.chain_closely import Close
    from deploy.chain_marks import Risk
    from detectors.chain.network import Network

_SHUT = "Each node shut alone for its own time to recover. Number: what is lost, as a part of the largest loss."
_STOPPED = "Each node stops alone. Number: the share of all production that stops, as a part of the largest."
_MOST_ROWS = 20  # in a table; --all has all

Folder = Annotated[Path, typer.Argument(help="A folder of chain CSV files.")]
Picture = Annotated[Path | None, typer.Option("--picture", metavar="FILE.svg|.png", help="Also draw it here.")]
All = Annotated[bool, typer.Option("--all", help="Every row, not only the largest.")]


def chain_verify(
    folder: Annotated[Path, typer.Argument(help="A folder of reference cases (.json), or one of them.")],
    answers: Annotated[
        Path | None, typer.Option("--answers", metavar="DIR", help="Write own answers here, <case id>.json each.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Runs reference cases and prints the largest deviation of each beside its tolerance. Exit code 1 on any miss."""
    from deploy.chain_verify import facts, sentences, verdicts

    with counting_bar("cases") as on_progress:
        judged = verdicts(folder, answers, on_progress)
    if as_json:
        out.print_json(data=facts(judged))
    else:
        for sentence in sentences(judged):
            say(sentence)
    if any(verdict.failed for verdict in judged):
        raise typer.Exit(1)


def chain_exposure(
    folder: Folder,
    node: Annotated[list[str] | None, typer.Option("--node", help="Only this node, closely; may be repeated.")] = None,
    every: All = False,
    for_d: Annotated[
        float | None, typer.Option("--for-d", min=0, help="With --node: shut for so many days, not its own time.")
    ] = None,
    day_by_day: Annotated[
        bool, typer.Option("--day-by-day", help="With --node: also with lead times, pipeline and ramps (slow).")
    ] = False,
    picture: Picture = None,
    as_json: Json = False,
) -> None:
    """What each node's failure costs: loss until it has recovered, time to survive, index; --node: one closely."""
    from deploy.chain_drawing import refuse_unknown_kind

    refuse_unknown_kind(picture)
    from collector.clocks.clock import WallClock
    from deploy.chain_closely import closely
    from deploy.chain_exposure import facts, failures, risks, table, unknown
    from detectors.chain.map.folder import load

    if node:
        judge = partial(closely, for_d=for_d, day_by_day=day_by_day, at_ns=WallClock().now_ns())
        _closely(folder, node, judge, picture, as_json)
        return
    network = load(folder)
    with counting_bar("failures") as on_progress:
        found = failures(network, on_progress)
    if picture is not None:
        _draw_network(
            network,
            risks(found),
            picture,
            folder,
            _SHUT,
        )
    if as_json:
        out.print_json(data={"failures": facts(found)})
        return
    say("Each node shut alone for its own time to recover, the largest loss first:")
    print_table(
        ("node", "shut for", "survives", "first loss", "lost", "index"), table(found if every else found[:_MOST_ROWS])
    )
    _say_rest(len(found), every)
    for why in unknown(found):
        complain(f"warning: {why}")


def _closely(
    folder: Path, names: list[str], judge: Callable[[Network, str], Close], picture: Path | None, as_json: bool
) -> None:
    from deploy.chain_curve_picture import Curve, curve_picture
    from deploy.chain_drawing import write
    from detectors.chain.map.folder import load

    network = load(folder)
    told = []
    with counting_bar("nodes") as on_progress:
        for done, name in enumerate(names):
            on_progress(done, len(names))
            told.append(judge(network, name))
        on_progress(len(names), len(names))
    if picture is not None:
        curves = [Curve(one.node, one.curve, one.for_d) for one in told]
        note = "Circle: what the chain survives. Square: when the node is back. Lead times are not reckoned with."
        write(curve_picture(curves, f"What a failure costs: {_chain(folder)}", note), picture)
        complain(f"drawn: {picture}")
    if as_json:
        out.print_json(data={"nodes": [one.facts() for one in told]})
        return
    for one in told:
        for sentence in one.sentences():
            say(sentence)


def chain_systemic(
    folder: Folder,
    by: Annotated[
        str, typer.Option("--by", help="What fails together: node, region, country, cluster, division or firm.")
    ] = "node",
    node: Annotated[
        list[str] | None, typer.Option("--node", help="These nodes fail together instead; repeat for each.")
    ] = None,
    tolerance: Annotated[float, typer.Option("--tolerance", help="A cascade ends when no node falls by more.")] = 1e-2,
    exact: Annotated[bool, typer.Option("--exact", help="The exact fixed point, without a tolerance.")] = False,
    lost: Annotated[float, typer.Option("--lost", help="The ratio of its production that each loses.")] = 1.0,
    every: All = False,
    picture: Picture = None,
    as_json: Json = False,
) -> None:
    """What share of all production is lost when a node, place, division or firm fails (ESRI)."""
    from deploy.chain_drawing import refuse_unknown_kind
    from deploy.chain_systemic import BadShare, Together, shares
    from detectors.chain.map.folder import load

    refuse_unknown_kind(picture)
    if by not in set(Together):
        raise BadShare(f"--by {by}: it is one of {', '.join(Together)}")
    if node and by != Together.NODE:
        raise BadShare(f"--node and --by {by}: the nodes fail together by themselves; leave one of the two out")
    if picture is not None and (node or by != Together.NODE):
        said = "--node" if node else f"--by {by}"
        raise BadShare(f"{said}: a picture shows single nodes; leave one of the two out")
    network = load(folder)
    with counting_bar("shocks") as on_progress:
        found = shares(
            network,
            Together(by),
            chosen=node or (),
            tolerance=tolerance,
            exact=exact,
            lost=lost,
            on_progress=on_progress,
        )
    if picture is not None:
        _draw_network(
            network,
            found.risks(),
            picture,
            folder,
            _STOPPED,
        )
    if as_json:
        out.print_json(data=found.facts())
        return
    for sentence in found.sentences():
        say(sentence)
    rows = found.table()
    print_table(tuple(rows[0]), rows if every else rows[:_MOST_ROWS])
    _say_rest(len(rows), every)


def chain_export(
    folder: Folder,
    to: Annotated[Path, typer.Option("--out", metavar="DIR", help="Write the files here.")],
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Without the names of firms and sites.")] = False,
    as_json: Json = False,
) -> None:
    """Writes exposure, systemic shares, lists and structure as CSV and JSON, and the network as SVG."""
    from deploy.chain_export import export

    with counting_bar("failures") as on_progress:
        files = export(folder, to, without_names=anonymous, on_progress=on_progress)
    if as_json:
        out.print_json(data={"files": [str(file) for file in files], "anonymous": anonymous})
        return
    say(f"{len(files)} files in {to}: {', '.join(file.name for file in files)}")


def _draw_network(network: Network, risks: Mapping[str, Risk], picture: Path, folder: Path, note: str) -> None:
    from deploy.chain_drawing import write
    from deploy.chain_network_picture import network_picture

    write(network_picture(network, risks, f"Weak links: {_chain(folder)}", note), picture)
    complain(f"drawn: {picture}")


def _chain(folder: Path) -> str:
    """What a picture calls a chain: `nev_drive/chain` -> `nev_drive`."""
    place = folder.resolve()
    return place.parent.name if place.name == "chain" else place.name


def _say_rest(count: int, every: bool) -> None:
    if not every and count > _MOST_ROWS:
        say(f"... and {count - _MOST_ROWS:,} more; --all shows them")
