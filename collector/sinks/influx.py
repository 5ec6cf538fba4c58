"""InfluxDB through influxdb-client's synchronous writer: one body of line protocol a write, times in ns.

Rows come from `collector.rows`; the store is InfluxDB 2 or 3, or 1.8 by its v2 write path. Only 204 means stored.
A refused body is halved until the rows at fault stand alone: servers tell of them in different words, and 2.x stores
nothing of a body it refuses. Writing a row twice is harmless, it is the same point.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from collector.config import ConfigError, Name, Positive, Section
from collector.sinks.sink import SinkRejected, SinkUnavailable

_STORED = 204
_REFUSED = (400, 422)
_TOO_LARGE = 413
_NOT_ALLOWED = (401, 403)
_SAID_LENGTH = 300


class Options(Section, frozen=True, kw_only=True):
    """Where to write. `token_file` holds nothing but the token; relative paths start at the folder of site.toml."""

    url: Annotated[str, msgspec.Meta(pattern="^https?://")] = "http://127.0.0.1:8086"
    org: Name = "andon"
    bucket: Name = "andon"
    token_file: str = ""
    timeout_s: Positive = 10.0


def build(options: Options, folder: Path) -> Influx:
    """Raises ConfigError where the token cannot be read. Does not need the store to be up."""
    token_file = folder / options.token_file if options.token_file else None
    if token_file:
        _token(token_file)
    return Influx(options, token_file)


class Influx:
    """A Sink. Connects at the first write, and anew after a failure; then the token is read again."""

    def __init__(self, options: Options, token_file: Path | None) -> None:
        self._options = options
        self._token_file = token_file
        self._client: InfluxDBClient | None = None

    def write(self, rows: Sequence[bytes]) -> None:
        """Stores all rows. Raises SinkRejected once all others are stored, SinkUnavailable to try all again."""
        if not rows:
            return
        try:
            refused = list(self._refused(rows, 0))
        except SinkUnavailable:
            self.close()
            raise
        if refused:
            reasons = list(dict.fromkeys(reason for _, reason in refused))
            raise SinkRejected("; ".join(reasons[:3]), [index for index, _ in refused])

    def close(self) -> None:
        if self._client is not None:
            self._client.close()  # type: ignore[no-untyped-call]
            self._client = None

    def _refused(self, rows: Sequence[bytes], first: int) -> Iterable[tuple[int, str]]:
        """Stores what the store takes; the index (counted from `first`) and reason of each row it never will."""
        reason = self._post(b"\n".join(rows))
        if reason is None:
            return
        if len(rows) == 1:
            yield first, reason
            return
        half = len(rows) // 2
        yield from self._refused(rows[:half], first)
        yield from self._refused(rows[half:], first + half)

    def _post(self, body: bytes) -> str | None:
        """None when stored, the reason when the body is refused. Raises SinkUnavailable for everything else."""
        client = self._client = self._client or self._connect()
        o = self._options
        try:
            writer = client.write_api(write_options=SYNCHRONOUS)
            writer.write(o.bucket, o.org, body, write_precision=WritePrecision.NS)  # type: ignore[arg-type]
        except ApiException as error:
            if error.status in (*_REFUSED, _TOO_LARGE):
                return f"{error.status}: {_said(error)}"
            raise self._unavailable(error) from error
        except (HTTPError, OSError) as error:
            raise SinkUnavailable(
                f"{o.url} does not answer ({_cause(error)}): is the store up, is `url` right?"
            ) from error
        except UnicodeDecodeError as error:
            raise SinkUnavailable(f"{o.url} answers what is not text: `url` is not a store's write path") from error
        status = client.api_client.last_response.status
        if status != _STORED:
            raise SinkUnavailable(f"{o.url} answers {status} instead of 204: `url` is not a store's write path")
        return None

    def _connect(self) -> InfluxDBClient:
        o = self._options
        try:
            token = _token(self._token_file) if self._token_file else ""
        except ConfigError as error:
            raise SinkUnavailable(str(error)) from error
        return InfluxDBClient(url=o.url, token=token, org=o.org, timeout=max(1, int(o.timeout_s * 1000)))

    def _unavailable(self, error: ApiException) -> SinkUnavailable:
        o, status, said = self._options, error.status, _said(error)
        if status in _NOT_ALLOWED:
            remedy = (
                f"give a token that may write bucket {o.bucket!r} in `token_file` ({self._token_file or 'not set'})"
            )
            return SinkUnavailable(f"{o.url} refuses the token ({status}: {said}): {remedy}")
        if status == 404:
            return SinkUnavailable(
                f"{o.url} knows no bucket {o.bucket!r} in org {o.org!r} ({said}): create it or correct it"
            )
        if status == 0:
            return SinkUnavailable(f"{o.url} cannot be reached safely ({error.reason}): check its certificate")
        return SinkUnavailable(f"{o.url} takes nothing now ({status}: {said})", _retry_after_s(error))


def _token(path: Path) -> str:
    """The token in a file. Raises ConfigError."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"`token_file`: {path} cannot be read ({error}); write the store's token into it") from error
    if not token or len(token.split()) != 1 or not token.isascii():
        raise ConfigError(f"`token_file`: {path} holds no token; write the store's token into it, and nothing else")
    return token


def _said(error: ApiException) -> str:
    """The store's own words, on one line and not too many of them."""
    words = error.body or error.reason or "no reason given"
    try:
        answer = msgspec.json.decode(words, type=dict[str, Any])
        words = answer.get("message") or answer.get("error") or words
    except msgspec.MsgspecError:
        pass  # not every server answers in JSON
    return " ".join(str(words).split())[:_SAID_LENGTH]


def _cause(error: Exception) -> str:
    """The end of urllib3's chain of causes: `[Errno 111] Connection refused`, `Read timed out. (...)`."""
    return str(error).rsplit(": ", 1)[-1][:_SAID_LENGTH]


def _retry_after_s(error: ApiException) -> float | None:
    """The pause the store asked for, as seconds or as a date; None when it named none that can be read."""
    asked = str(getattr(error, "retry_after", None) or "").strip()
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return None
