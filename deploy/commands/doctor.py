"""`andon doctor`: explains the state of a site's spool, and mends it."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from deploy.commands.console import Json, SitePath, SpoolOption, out, say

DAMAGED = 1


def doctor(
    site: SitePath,
    spool: SpoolOption = None,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what is damaged and book what is lost.")] = False,
    as_json: Json = False,
) -> None:
    """Looks a site's spool through from end to end: what is sound, what is lost, how large it is, who has it open.

    Exit code 0: sound, or mended by --repair. 1: damaged. 2: it cannot be examined or mended; the sentence says why.
    """
    from collector.spool.examination import examine, mend
    from deploy.doctor import told
    from deploy.site import load_site

    path = load_site(site, spool_path=spool).spool_path
    found = examine(path)
    if repair and not found.is_sound:
        mend(path)
        found = examine(path)
    if as_json:
        out.print_json(msgspec.json.encode(found).decode())
    else:
        for line in told(found):
            say(line)
    if not found.is_sound:
        raise typer.Exit(DAMAGED)
