"""The conversation with an InfluxDB over HTTP, in sentences: post a body of rows, ask a question, say what went wrong.

Everything goes through influxdb-client, so one pool of connections, one token and one time-out serve all.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS, WriteApi
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from collector.config import ConfigError
from collector.sinks.influx.options import Options, token_in
from collector.sinks.sink import SinkUnavailable

_STORED = 204
_REFUSED = (400, 422)
_TOO_LARGE = 413
_NOT_ALLOWED = (401, 403)
_SAID_LENGTH = 300
_LONGEST_PAUSE_S = 300.0  # whatever a store asks for: its clock, or ours, may be wrong


class Answer(NamedTuple):
    """What the store answered to a question: the HTTP status and its words."""

    status: int
    text: str


class Store:
    """Connects when first used; `close` ends that, and the next use connects anew with the token read again."""

    def __init__(self, options: Options, token_file: Path | None) -> None:
        self.options = options
        self._token_file = token_file
        self._client: InfluxDBClient | None = None
        self._writer: WriteApi | None = None

    @property
    def database(self) -> str:
        """The bucket as 1.x names it: `database/retention-policy` without the policy."""
        return self.options.bucket.partition("/")[0]

    @property
    def policy(self) -> str:
        return self.options.bucket.partition("/")[2]

    def close(self) -> None:
        if self._client is not None:
            self._client.close()  # type: ignore[no-untyped-call]
        self._client = self._writer = None

    def post(self, body: bytes) -> str | None:
        """None when stored, the reason when the body is refused. Raises SinkUnavailable for everything else."""
        o, client = self.options, self._connected()
        self._writer = self._writer or client.write_api(write_options=SYNCHRONOUS)
        try:
            self._writer.write(o.bucket, o.org, body, write_precision=WritePrecision.NS)  # type: ignore[arg-type]
        except ApiException as error:
            if error.status in (*_REFUSED, _TOO_LARGE):
                return f"{error.status}: {_said(error)}"
            raise self._unavailable(error) from error
        except (HTTPError, OSError, UnicodeDecodeError) as error:
            raise self._silent(error) from error
        status = client.api_client.last_response.status
        if status != _STORED:
            raise SinkUnavailable(f"{o.url} answers {status} instead of 204: `url` is not a store's write path")
        return None

    def ask(self, path: str, query: Mapping[str, str]) -> Answer:
        """The answer to a GET, whatever its status. Raises SinkUnavailable where there is none to be had now."""
        api = self._connected().api_client
        try:
            api.call_api(path, "GET", query_params=list(query.items()), auth_settings=[])  # type: ignore[no-untyped-call]
        except ApiException as error:
            if error.status in _NOT_ALLOWED or 400 <= error.status < 429:
                return Answer(error.status, _said(error))
            raise self._unavailable(error) from error
        except (HTTPError, OSError, UnicodeDecodeError) as error:
            raise self._silent(error) from error
        return Answer(api.last_response.status, api.last_response.data)

    def select(self, statement: str) -> list[dict[str, Any]]:
        """The series that answer an InfluxQL statement. Raises SinkUnavailable: cannot be read, and the remedy."""
        asked = {"db": self.database, "q": statement, "epoch": "ns"} | ({"rp": self.policy} if self.policy else {})
        status, text = self.ask("/query", asked)
        if status in _NOT_ALLOWED:
            raise SinkUnavailable(
                f"{self.options.url} refuses to be read ({status}: {text}): {self._may('read and write')}"
            )
        try:
            found = msgspec.json.decode(text, type=_Results)
            error = found.error or next((one.error for one in found.results if one.error), "")
        except msgspec.MsgspecError:
            error = f"{status}: {' '.join(text.split())[:_SAID_LENGTH] or 'nothing'}"
        if error or status != 200:
            raise SinkUnavailable(
                f"{self.options.url} does not answer InfluxQL at /query ({error or status}): correct `url` or "
                "`bucket` or create it; for a store that cannot be read, set `write_only` and `retention_d`"
            )
        return [series for one in found.results for series in one.series]

    def _connected(self) -> InfluxDBClient:
        if self._client is None:
            o = self.options
            try:
                token = token_in(self._token_file) if self._token_file else ""
            except ConfigError as error:
                raise SinkUnavailable(str(error)) from error
            login = f"{o.username}:{token}" if o.username else token
            self._client = InfluxDBClient(url=o.url, token=login, org=o.org, timeout=max(1, int(o.timeout_s * 1000)))
        return self._client

    def _silent(self, error: Exception) -> SinkUnavailable:
        url = self.options.url
        if isinstance(error, UnicodeDecodeError):
            return SinkUnavailable(f"{url} answers what is not text: `url` is not a store's")
        return SinkUnavailable(f"{url} does not answer ({_cause(error)}): is the store up, is `url` right?")

    def _unavailable(self, error: ApiException) -> SinkUnavailable:
        o, status, said = self.options, error.status, _said(error)
        if status in _NOT_ALLOWED:
            return SinkUnavailable(f"{o.url} refuses the token ({status}: {said}): {self._may('write')}")
        if status == 404:
            return SinkUnavailable(
                f"{o.url} knows no bucket {o.bucket!r} in org {o.org!r} ({said}): create it or correct it"
            )
        if status == 0:
            return SinkUnavailable(f"{o.url} cannot be reached safely ({error.reason}): check its certificate")
        return SinkUnavailable(f"{o.url} takes nothing now ({status}: {said})", _retry_after_s(error))

    def _may(self, purpose: str) -> str:
        given = self._token_file or "not set"
        remedy = f"give a token that may {purpose} bucket {self.options.bucket!r} in `token_file` ({given})"
        return f"{remedy}, or set `write_only` and `retention_d`" if "read" in purpose else remedy


class _Result(msgspec.Struct):
    series: list[dict[str, Any]] = []
    error: str = ""


class _Results(msgspec.Struct):
    results: list[_Result] = []
    error: str = ""


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
        return min(float(asked), _LONGEST_PAUSE_S)
    try:
        return min(max(0.0, parsedate_to_datetime(asked).timestamp() - time.time()), _LONGEST_PAUSE_S)
    except ValueError:
        return None
