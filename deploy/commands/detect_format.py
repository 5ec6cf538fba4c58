"""`andon detect-format`: what a sample of messages is, the rules that read it, and a trial of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from collector.config import BrokerSettings, ConfigError, Site, read
from collector.errors import AndonError
from collector.formats.event_time import site_zone
from deploy.commands.console import Json, complain, err, out, say, until_ctrl_c

if TYPE_CHECKING:
    from collector.sources.source import Message

CANNOT_READ = 1
_FILES = (".json", ".jsonl", ".csv", ".txt", ".bin", ".lp")


class NoSample(AndonError):
    """There is nothing to recognise; the sentence says how to give a sample."""


def detect_format(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="FILE...|TOPIC", help="Recordings (.jsonl), payload files, or one MQTT topic filter."),
    ],
    site: Annotated[Path | None, typer.Option(help="The site.toml whose `site` and `broker` are meant.")] = None,
    host: Annotated[str, typer.Option(help="Listen to this broker instead of the site's.")] = "",
    port: Annotated[int, typer.Option(help="Its port.")] = 1883,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to listen to a topic.")] = 30.0,
    line: Annotated[str, typer.Option(help="The line, where topics and messages do not say it.")] = "",
    as_topic: Annotated[str, typer.Option(help="The topic under which payload files come.")] = "",
    to: Annotated[Path | None, typer.Option("--out", help="Write the rules here; never over a file.")] = None,
    as_json: Json = False,
) -> None:
    """Recognises the dialect of messages, writes the `subscribe` rules that read them, and tries these; no storing.

    Rules go to stdout or --out, the report of the trial to stderr. Exit code 0: the rules read the sample; 1: they do
    not read more than 5 % of it; 2: there is no sample.
    """
    from collector.recognition.proposal import Asked
    from collector.recognition.recognise import recognise
    from collector.recognition.trial import tried
    from deploy.format_report import facts, lines

    _check_free(to)
    own = _site(site) if site else None
    messages = _sample(sources, as_topic, site, BrokerSettings(host=host, port=port) if host else None, seconds)
    with err.status("recognising ..."):
        found = recognise(messages, Asked(own, line))
        trial = tried(found.text, found.site, messages)
    if to is not None:
        _write(to, found.text)
    if as_json:
        out.print_json(data=facts(found, trial))
    else:
        for sentence in lines(found, trial):
            complain(sentence)
        if to is None:
            say(found.text)
    if not trial.is_fit:
        raise typer.Exit(CANNOT_READ)


def _site(path: Path) -> Site:
    """The [site] of a site.toml, which need have nothing else yet. Raises ConfigError."""
    own = read(path).section("site", Site)
    try:
        site_zone(own)
    except ValueError as error:
        raise ConfigError(f"{path}: `site.timezone`: {error}") from error
    return own


def _sample(
    sources: list[str], as_topic: str, site: Path | None, broker: BrokerSettings | None, seconds: float
) -> list[Message]:
    """The messages of the files, or those that come. Raises AndonError."""
    from deploy.samples import read_samples

    if all(_is_file(source) for source in sources):
        messages = read_samples(map(Path, sources), as_topic)
        if not messages:
            raise NoSample(f"{', '.join(sources)}: no message in it; name a recording or payload files")
        return messages
    if len(sources) > 1:
        raise NoSample(f"{', '.join(sources)}: not all are files; name files only, or one topic filter")
    return _listened(sources[0], site, broker, seconds)


def _is_file(source: str) -> bool:
    return Path(source).exists() or source.endswith(_FILES)


def _listened(topic: str, site: Path | None, broker: BrokerSettings | None, seconds: float) -> list[Message]:
    from collector.sources.brokers import brokers_of
    from deploy.listening import listen

    if broker is None and site is None:
        raise NoSample(f"{topic}: no such file; to listen to it as a topic, say --site or --host where the broker is")
    chosen = broker or brokers_of(read(site or Path()))[0]
    with err.status(f"listening to {topic} for {seconds:g} s ..."), until_ctrl_c() as jobs:
        messages = listen(chosen, site.parent if site else Path(), topic, seconds, jobs.stop)
    if not messages:
        raise NoSample(
            f"{topic}: no message came within {seconds:g} s; listen longer with --seconds, or check the topic"
        )
    return messages


def _check_free(to: Path | None) -> None:
    if to is not None and to.exists():
        raise NoSample(f"{to}: is there already and stays as it is; name another file with --out")


def _write(to: Path, text: str) -> None:
    try:
        with to.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise NoSample(f"{to}: {error.strerror}; name another file with --out") from error
    complain(f"the rules are in {to}")
