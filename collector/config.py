"""site.toml as frozen structs. `read` takes the file, `Document.section` one table of it; the first error is named by
file, key path and remedy.

Each package types the sections it owns (the collector's are here); `SECTIONS` lists every name a site.toml may hold.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from collector.errors import AndonError

T = TypeVar("T")

SECTIONS = frozenset(
    {
        "site",
        "clock",
        "broker",
        "subscribe",
        "spool",
        "sink",
        "shift",
        "planned_stop",
        "detect",
        "rule",
        "chain",
        "board",
        "health",
        "limits",
        "drop",
        "train",
        "alerts",
    }
)

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
PortOrNone = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Name = Annotated[str, msgspec.Meta(min_length=1)]


class ConfigError(AndonError):
    """The configuration cannot be used; the sentence names file, key and remedy."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every section: frozen, unknown keys refused."""


class Site(Section, frozen=True, kw_only=True):
    """Which site this is. `timezone` is an IANA name, used by the calendar."""

    enterprise: Name
    name: Name
    timezone: str = "UTC"


class ClockSettings(Section, frozen=True, kw_only=True):
    """`wall`: a live plant, time is this machine's. `messages`: a recording, time is the latest reading's.

    `offset_limit_s`: a gateway whose clock is further off the site's is booked in the ledger.
    """

    source: Literal["wall", "messages"] = "wall"
    lateness_s: NotNegative = 2.0
    tick_s: Positive = 1.0
    offset_limit_s: Positive = 60.0


class BrokerSettings(Section, frozen=True, kw_only=True):
    """One MQTT broker; of several [[broker]]s each has a `name`. Passwords come from a file, never from site.toml."""

    name: str = ""
    host: Name = "127.0.0.1"
    port: Port = 1883
    protocol: Literal["5", "3.1.1"] = "5"
    transport: Literal["tcp", "websockets"] = "tcp"
    path: Name = "/mqtt"
    client_id: Name = "andon"
    username: str = ""
    password_file: str = ""
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 30
    session_expiry_s: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 7 * 86400
    receive_maximum: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 2000
    max_packet_bytes: Annotated[int, msgspec.Meta(ge=1024, le=2**28)] = 8 * 2**20


class SpoolSettings(Section, frozen=True, kw_only=True):
    """The spool file; a relative path is taken from the folder of site.toml.

    `keep_d` bounds the log, `history_d` the readings and `rollups_d` the one-minute rollups that boards ask for.
    """

    path: Name = "var/spool.sqlite"
    max_mb: Positive = 4000.0
    keep_d: Positive = 7.0
    history_d: Positive = 7.0
    rollups_d: Positive = 7.0


class HealthSettings(Section, frozen=True, kw_only=True):
    """Where `/metrics` and `/healthz` of each process listen, port 0: nowhere; and what counts as unhealthy."""

    host: Name = "127.0.0.1"
    collect_port: PortOrNone = 0
    detect_port: PortOrNone = 0
    chain_port: PortOrNone = 0
    broker_down_s: NotNegative = 60.0
    sink_down_s: NotNegative = 300.0
    detection_lag_s: Positive = 60.0


class Subscription(Section, frozen=True, kw_only=True):
    """One MQTT filter and the format that reads it; `options` are the format's own keys.

    `broker`: the name of the one that is asked, all when empty. `shared_group`: collectors of this group share it.
    """

    topic: Name
    format: Name
    broker: str = ""
    shared_group: Annotated[str, msgspec.Meta(pattern="^[^/+#]*$")] = ""
    options: dict[str, Any] = {}


class DropSettings(Section, frozen=True, kw_only=True):
    """A folder (relative to site.toml) into which others drop files; each row is a message of `topic`.

    `format`: `csv` (the first row names the columns), `lines` (each line is a message) or `file` (the whole is one).
    Of CSV: `together`: all rows of a file are one message; `decimal`: the sign in numbers; `needs`: columns without
    which no row of a file is read. `settle_s`: a file is whole when unchanged for so long.
    """

    folder: Name
    topic: Name
    glob: Annotated[str, msgspec.Meta(pattern="^[^/]+$")] = "*.csv"
    format: Literal["csv", "lines", "file"] = "csv"
    delimiter: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    encoding: Literal["utf-8", "gb18030", "latin-1", "utf-16"] = "utf-8"
    together: bool = False
    needs: tuple[Name, ...] = ()
    settle_s: NotNegative = 5.0
    max_mb: Positive = 20.0


class SinkSettings(Section, frozen=True, kw_only=True):
    """One store; `options` are the sink's own keys.

    After an outage the store gets what happens now first, and the backlog beside it at `backlog_rows_per_s`.
    """

    name: Name
    kind: Name
    live_first: bool = True
    backlog_rows_per_s: Positive = 50_000.0
    options: dict[str, Any] = {}


class Document:
    """A parsed site.toml whose top-level names are known."""

    def __init__(self, path: Path, tables: dict[str, Any]) -> None:
        self.path = path
        self._tables = tables

    @property
    def folder(self) -> Path:
        return self.path.parent

    def with_sections(self, path: Path, tables: dict[str, Any]) -> Document:
        """The same site with these sections in place of its own; errors then name `path`."""
        return Document(path, {**self._tables, **tables})

    def has(self, section: str) -> bool:
        return section in self._tables

    def is_list(self, section: str) -> bool:
        """Whether it is written as [[section]]."""
        return isinstance(self._tables.get(section), list)

    def section(self, name: str, kind: type[T]) -> T:
        """The table `[name]` as `kind`; a missing table is an empty one. Raises ConfigError."""
        return self.convert(self._tables.get(name, {}), kind, name)

    def sections(self, name: str, kind: type[T]) -> tuple[T, ...]:
        """The tables `[[name]]` as `kind`, in file order. Raises ConfigError."""
        return tuple(self.convert(table, kind, f"{name}[{i}]") for i, table in enumerate(self._list(name)))

    def open_sections(self, name: str, kind: type[T]) -> tuple[T, ...]:
        """Like `sections`, for a kind with `options`: keys the kind does not know are gathered there."""
        known = {field.encode_name for field in msgspec.structs.fields(kind)} - {"options"}  # type: ignore[arg-type]
        gathered = []
        for i, table in enumerate(self._list(name)):
            own = {key: value for key, value in table.items() if key in known}
            options = {key: value for key, value in table.items() if key not in known}
            gathered.append(self.convert({**own, "options": options}, kind, f"{name}[{i}]"))
        return tuple(gathered)

    def convert(self, value: Any, kind: type[T], where: str) -> T:
        """`value` as `kind`. Raises ConfigError naming `where` and the key below it."""
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{self.path}: {_located(where, str(error))}") from error

    def _list(self, name: str) -> list[dict[str, Any]]:
        tables = self._tables.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise ConfigError(f"{self.path}: `{name}` is a list of tables; write [[{name}]]")
        return tables


def read(path: Path) -> Document:
    """Parses a site.toml. Raises ConfigError: missing file, bad TOML, or a top-level name that does not exist."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; name a site.toml (samples are in deploy/sites)") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; check the file's permissions") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    for name in tables:
        if name not in SECTIONS:
            raise ConfigError(f"{path}: unknown section `{name}`{_did_you_mean(name, SECTIONS)}; remove or rename it")
    if "site" not in tables:
        raise ConfigError(f"{path}: the section [site] is missing; it needs `enterprise` and `name`")
    return Document(path, tables)


def _located(where: str, message: str) -> str:
    """Turns msgspec's "Expected `int`, got `str` - at `$.rule[2].time`" into our key path and a remedy."""
    text, _, place = message.partition(" - at `$")
    key = f"{where}{place.rstrip('`')}" if place else where
    remedies = {"unknown field": "remove or rename it", "missing required field": "add it"}
    remedy = next((remedy for fault, remedy in remedies.items() if fault in text), "correct the value")
    return f"`{key}`: {text[0].lower()}{text[1:]}; {remedy}"


def _did_you_mean(name: str, known: frozenset[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f" (did you mean `{close[0]}`?)" if close else ""
