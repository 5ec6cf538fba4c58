"""`andon explain`: why an alert was raised."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from deploy.commands.console import Json, SitePath, SpoolOption, out, say


def explain(
    site: SitePath,
    alert: Annotated[str, typer.Argument(help="An alert's id, or its key for the last occurrence.")],
    spool: SpoolOption = None,
    as_json: Json = False,
) -> None:
    """Says why an alert was raised: rule, evidence, band, what contributed, gaps nearby, and what the chain loses."""
    from deploy.alerts import existing_spool
    from deploy.explain import explain as explained
    from deploy.explain import told
    from deploy.site import load_site

    loaded = load_site(site, spool_path=spool)
    with existing_spool(loaded) as opened:
        found = explained(loaded, opened, alert)
    if as_json:
        out.print_json(msgspec.json.encode(found).decode())
        return
    for line in told(found):
        say(line)
