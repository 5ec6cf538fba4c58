"""`andon books`: whether everything that was taken in is somewhere."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import typer

from deploy.books import Books, StoreBook, books_of
from deploy.commands.console import Json, SitePath, SpoolOption, err, out, say

NOT_EXACT = 1


def books(site: SitePath, spool: SpoolOption = None, as_json: Json = False) -> None:
    """Balances what was received against what is stored, dead, dropped and waiting; exit code 1 when it is not exact.

    2: there is no such site or spool.
    """
    from deploy.alerts import existing_spool
    from deploy.site import load_site

    loaded = load_site(site, spool_path=spool)
    with existing_spool(loaded) as opened, err.status("counting what waits ..."):
        found = books_of(opened, loaded.store_names)
    if as_json:
        out.print_json(msgspec.json.encode({**msgspec.structs.asdict(found), "is_exact": found.is_exact}).decode())
    else:
        for line in sheet(found):
            say(line)
    if not found.is_exact:
        raise typer.Exit(NOT_EXACT)


def sheet(found: Books) -> Iterator[str]:
    """The books as text."""
    yield "the balance is exact" if found.is_exact else "the balance is NOT exact: `andon doctor` examines the spool"
    yield ""
    yield _row("messages received", found.messages_received)
    yield _row("  read", found.messages_read)
    yield _row("    said something", found.messages_read - found.messages_silent)
    yield _row("    said nothing", found.messages_silent, "null, skipped, or texts that nobody described")
    yield _row("  dead letters", found.dead_lettered)
    yield _row("    kept", found.dead_kept, "andon dead list")
    yield _row("    replayed since", found.dead_replayed)
    yield _row("    dropped from a full spool", found.dead_dropped, "andon ledger")
    yield from _unaccounted("    unaccounted for", found.dead_unaccounted)
    if found.dead_rows_dropped:
        yield _row("refused rows dropped from a full spool", found.dead_rows_dropped, "andon ledger")
    yield _row("readings", found.readings)
    for store in found.stores:
        yield from _of_store(store)
    yield ""
    yield "known to be missing (andon ledger):" if found.missing else "nothing is known to be missing"
    yield from (_row(f"  {cause}", missing) for cause, missing in found.missing.items())


def _of_store(store: StoreBook) -> Iterator[str]:
    yield _row(f"  due to {store.name}", store.due)
    yield _row("    handed on", store.handed_on)
    if store.without_row:
        yield _row(
            "      of them without a row", store.without_row, "stale, bad or of a wrong clock: in the spool only"
        )
    if store.refused:
        yield _row("      of them refused", store.refused, "dead letters")
    yield _row("    waiting", store.waiting)
    yield _row("    dropped unread from a full spool", store.dropped, "andon ledger")
    if store.damaged:
        yield _row("    damaged on the disk", store.damaged, "andon ledger")
    yield from _unaccounted("    unaccounted for", store.unaccounted)


def _unaccounted(name: str, amount: int) -> Iterator[str]:
    if amount:
        yield _row(name, amount)


def _row(name: str, amount: int, note: str = "") -> str:
    return f"{name:<38}{amount:>16,}" + (f"  ({note})" if note and amount else "")
