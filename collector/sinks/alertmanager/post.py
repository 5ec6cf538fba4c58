"""One POST to Alertmanager's v2 API, and what its answer means."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collector.config import ConfigError
from collector.sinks.alertmanager.options import Options, secret_in
from collector.sinks.sink import SinkUnavailable

_REMEDIES = {
    401: "correct `username` and what `secret_file` holds",
    403: "give this user the right to post alerts",
    404: "name the address of Alertmanager's web page as `url`, with its path where it has one",
}


class Door:
    """Where alerts are handed in. Nothing is held open; the secret is read again for every post."""

    def __init__(self, options: Options, folder: Path) -> None:
        """Raises ConfigError where the authority's certificate cannot be read."""
        self._url = f"{options.url.rstrip('/')}/api/v2/alerts"
        self._username = options.username
        self._secret_file = folder / options.secret_file if options.secret_file else None
        self._timeout_s = options.timeout_s
        try:
            tls = ssl.create_default_context(cafile=str(folder / options.ca_file) if options.ca_file else None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"`ca_file`: {folder / options.ca_file}: {error}; name a PEM file") from error
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=tls), _NoRedirect)

    def post(self, alerts: Sequence[dict[str, Any]]) -> str | None:
        """None when all were taken, else why some were refused. Raises SinkUnavailable: nobody took them."""
        request = urllib.request.Request(self._url, json.dumps(alerts).encode(), self._headers(), method="POST")
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                if "html" in answer.headers.get("Content-Type", ""):
                    raise self._unavailable("answers with a web page: is it behind a sign-in?")
        except urllib.error.HTTPError as error:
            with error:
                return self._refusal(error.code, _first_words(error.read()))
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise self._unavailable(f"does not answer ({reason}): is it up, is `url` right?") from error
        return None

    def _refusal(self, status: int, said: str) -> str:
        if status in (400, 422):
            return said or f"refused with {status}"
        raise self._unavailable(f"answers {status} {said}: {_REMEDIES.get(status, 'see its log')}")

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self._secret_file is not None:
            try:
                secret = secret_in(self._secret_file)
            except ConfigError as error:
                raise SinkUnavailable(str(error)) from error
            basic = base64.b64encode(f"{self._username}:{secret}".encode()).decode()
            headers["Authorization"] = f"Basic {basic}" if self._username else f"Bearer {secret}"
        return headers

    def _unavailable(self, sentence: str) -> SinkUnavailable:
        return SinkUnavailable(f"alertmanager {self._url} {sentence}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST becomes a GET, whose 200 would look as if the alerts were taken."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def _first_words(body: bytes) -> str:
    return " ".join(body.decode("utf-8", "replace").split())[:200]
