"""`andon backtest`: a site's past through its detectors again, with other rules where wanted, and what they are worth.

Input: a site, its spool or a recording, and where there is one the truth. Output: a `Backtest`, and in a folder
backtest.json, index.html (one file, pictures within) and a PNG for every alert.
"""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from collector.config import ConfigError
from collector.errors import AndonError
from collector.readings import NS_PER_S, Kind
from collector.schema import SELF_LINE
from collector.sources.plant_model.truth import Truth
from collector.sources.recording import Published, read_recording
from collector.spool.spool import Spool
from deploy.alerts import alerts_in
from deploy.audit import floor_of
from deploy.backtest.page import write_page
from deploy.backtest.picture import picture_of, readings_band
from deploy.backtest.replaying import Stretch, replay_messages, replay_spool
from deploy.backtest.verdicts import Backtest, Judged, judged, load_on
from deploy.bands import band_key, bands_in
from deploy.demo import playback_of
from deploy.site import SiteFile, load_site
from detectors.alerts import Alert
from detectors.calendar import calendar_of
from detectors.settings import AlertSettings, bound_rules, detect_settings, own_rules

_LATER_NS = 2**62
_RULE_SECTIONS = ("rule", "alerts", "detect", "shift", "planned_stop")

Heard = Callable[[int, int | None, int], None]  # (done, of so many if known, at_ns)


class BacktestError(AndonError):
    """It cannot be replayed; the sentence says what to name instead."""


@dataclass(frozen=True)
class BacktestOptions:
    """What comes before `from_ns` only teaches; nothing from `to_ns` on is replayed. `rules`: sections that stand in
    for those of site.toml. `report`: the folder to write to.
    """

    site: Path
    spool: Path | None = None
    from_ns: int = 0
    to_ns: int = _LATER_NS
    rules: Path | None = None
    capture: Path | None = None
    truth: Path | None = None
    operators: int = 1
    report: Path | None = None


def run_backtest(options: BacktestOptions, heard: Heard) -> Backtest:
    """Replays, judges and writes the report. Raises AndonError."""
    site = with_rules(load_site(options.site, spool_path=options.spool), options.rules)
    truth = _truth(options.truth)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="andon-backtest-")))
        spool = stack.enter_context(Spool.open(work / "spool.sqlite"))
        recorded: list[Alert] = []
        if options.capture is None and site.spool_path.is_file():
            source = stack.enter_context(site.open_spool())
            total = source.log.end()
            recorded = _of_the_plant(alerts_in(source))
            told = str(site.spool_path)
            stretch = replay_spool(source, options.to_ns, site, spool, lambda n, at: heard(min(n, total), total, at))
        else:
            messages, count, told, own_truth = _messages(options, site)
            truth = truth or own_truth
            stretch = replay_messages(messages, options.to_ns, site, spool, lambda n, at: heard(n, count, at))
        _check(stretch, options, told)
        alerts = sorted(_of_the_plant(alerts_in(spool)), key=lambda one: (one.fired_at_ns, one.key))
        from_ns, to_ns = max(options.from_ns, stretch.from_ns), min(options.to_ns, stretch.to_ns)
        here = [one for one in recorded if from_ns <= one.fired_at_ns <= to_ns]
        found = judged(alerts, spool, truth, here, from_ns, to_ns)
        report = Backtest(
            site=site.site.name,
            source=told,
            rules=str(options.rules or options.site),
            from_at=from_ns / NS_PER_S,
            to_at=to_ns / NS_PER_S,
            replayed=stretch.amount,
            load=load_on(found["alerts"], options.operators, from_ns, to_ns),
            **found,
        )
        if options.report is not None:
            _write(report, options.report, alerts, spool)
    return report


def with_rules(site: SiteFile, rules: Path | None) -> SiteFile:
    """The site with the rules, pace and calendar of another file, as far as that has them. Raises ConfigError."""
    if rules is None:
        return site
    try:
        tables = tomllib.loads(rules.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{rules}: {error.strerror}; name a file with [[rule]] sections") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{rules}: not valid TOML: {error}") from error
    known = {name: table for name, table in tables.items() if name in _RULE_SECTIONS}
    others = [name for name in tables if name not in (*_RULE_SECTIONS, "site")]
    if others or not known:
        what = f"section `{others[0]}` is no rule" if others else "it holds no [[rule]]"
        raise ConfigError(f"{rules}: {what}; a file of new rules holds {', '.join(_RULE_SECTIONS)} and no more")
    document = site.document.with_sections(rules, known)
    return replace(
        site,
        rules=(*bound_rules(document), *own_rules()),
        detect=detect_settings(document),
        alerts=document.section("alerts", AlertSettings),
        calendar=calendar_of(document, site.site.timezone),
    )


def _messages(options: BacktestOptions, site: SiteFile) -> tuple[Sequence[Published], int | None, str, Truth | None]:
    """The messages to replay, how many, where from, and what really happened if the plant is simulated."""
    if options.capture is not None:
        messages = list(read_recording(options.capture))
        return messages, len(messages), str(options.capture), None
    try:
        playback = playback_of(site.folder)
    except AndonError as error:
        raise BacktestError(
            f"there is no spool {site.spool_path}, and {error}; run `andon collect`, or name a recording with --capture"
        ) from error
    truth = playback.plant.truth() if playback.plant else None
    return playback.messages, playback.total, str(site.folder), truth  # type: ignore[return-value]


def _truth(path: Path | None) -> Truth | None:
    if path is None:
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Truth)
    except OSError as error:
        raise BacktestError(f"{path}: {error.strerror}; name the truth.json of a simulated plant's run") from error
    except msgspec.MsgspecError as error:
        raise BacktestError(f"{path}: {error}; it is no truth.json of a simulated plant's run") from error


def _check(stretch: Stretch, options: BacktestOptions, told: str) -> None:
    """Raises BacktestError where nothing was there to judge."""
    if not stretch.amount or not stretch.to_ns:
        raise BacktestError(f"{told} holds no readings before --to; name another stretch or another --capture")
    if options.from_ns > stretch.to_ns:
        raise BacktestError(f"{told} ends before --from; name an earlier instant")


def _of_the_plant(alerts: Sequence[Alert]) -> list[Alert]:
    """Without what Andon says of itself: that depends on the machine, not on the rules."""
    return [alert for alert in alerts if not alert.shard.endswith(f"/{SELF_LINE}") and alert.fired_at_ns]


def _write(report: Backtest, folder: Path, alerts: Sequence[Alert], spool: Spool) -> None:
    by_id = {alert.alert_id: alert for alert in alerts}
    bands = bands_in(spool, {band_key(by_id[row.alert]) for row in report.alerts})
    readings = {s.name: readings_band(*own) for s, own in floor_of(spool).items() if s.kind is not Kind.STATE}
    (folder / "alerts").mkdir(parents=True, exist_ok=True)
    pictures: dict[str, bytes] = {}

    def drawn(number: int, row: Judged) -> Judged:
        alert = by_id[row.alert]
        band = bands.get(band_key(alert)) or readings.get(alert.series)
        if band is None:
            return row
        name = f"alerts/{number:04d}.png"
        pictures[name] = picture_of(alert, band)
        (folder / name).write_bytes(pictures[name])
        return msgspec.structs.replace(row, picture=name)

    report.alerts = [drawn(number, row) for number, row in enumerate(report.alerts, start=1)]
    body = msgspec.json.format(msgspec.json.encode(report), indent=2)
    (folder / "backtest.json").write_bytes(body + b"\n")
    write_page(report, pictures, folder / "index.html")
