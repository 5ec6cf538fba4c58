"""A Grafana behind its HTTP API: read, create and replace, with every refusal as a sentence.

Of the client library only the generic request (`GET`, `POST`, `PUT` of a path) is used, so that grafana-client can
stand where grafana-api stands: both give it, and both raise an error with `status_code` and `message`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from collector.errors import AndonError
from dashboards.build import Json

_TIMEOUT_S = 15.0


class ProvisionError(AndonError):
    """Grafana did not take what was sent; the sentence says where and what it answered."""


class Version(NamedTuple):
    """Which Grafana it is (`major` None where it does not tell), and how its own database is: `ok` or what is wrong."""

    text: str
    major: int | None
    database: str


class Api(Protocol):
    """The generic request of a Grafana client: a path below /api, a JSON body."""

    def GET(self, url: str) -> Any: ...  # noqa: N802
    def POST(self, url: str, json: Json) -> Any: ...  # noqa: N802
    def PUT(self, url: str, json: Json) -> Any: ...  # noqa: N802


class Grafana:
    """A Grafana asked through `api`, which raises `refusal` where it is refused. All methods raise ProvisionError."""

    def __init__(self, api: Api, refusal: type[Exception]) -> None:
        self._api, self._refusal = api, refusal

    def get(self, path: str) -> Json | None:
        """What is stored at the path; None where nothing is."""
        answer = self._asked(lambda: self._api.GET(path), path, absent_is_none=True)
        if answer is not None and not isinstance(answer, dict):
            raise ProvisionError(f"what answers is no Grafana ({path} gave no JSON object): is the address right?")
        return answer

    def version(self) -> Version:
        """What it says of itself; to be asked without a token, too."""
        health = self.get("/health") or {}
        text = str(health.get("version", "not told"))
        major = re.match(r"\d+", text)
        return Version(text, int(major[0]) if major else None, str(health.get("database", "ok")))

    def post(self, path: str, body: Json) -> Any:
        return self._asked(lambda: self._api.POST(path, json=body), path)

    def put(self, path: str, body: Json) -> Any:
        return self._asked(lambda: self._api.PUT(path, json=body), path)

    def _asked(self, ask: Callable[[], Any], path: str, *, absent_is_none: bool = False) -> Any | None:
        try:
            return ask()
        except self._refusal as refused:
            status = getattr(refused, "status_code", 0)
            if status == 404 and absent_is_none:
                return None
            raise ProvisionError(_sentence(path, status, getattr(refused, "message", refused))) from refused
        except ValueError as error:
            raise ProvisionError(f"what answers is no Grafana ({path} gave no JSON): is the address right?") from error
        except OSError as error:  # what the client's HTTP library raises derives from it
            raise ProvisionError(f"Grafana does not answer ({error}): is it up, is its address right?") from error


def connect(url: str, token: str) -> Grafana:
    """The Grafana at `url` (which may end in a path), asked with a service account's token."""
    from grafana_api.grafana_api import GrafanaAPI, GrafanaException

    at = urlsplit(url)
    if at.scheme not in ("http", "https") or not at.hostname:
        raise ProvisionError(f"{url}: not the address of a Grafana; write one such as http://127.0.0.1:3000")
    prefix = at.path.strip("/")
    api = GrafanaAPI(
        token,
        host=at.hostname,
        port=at.port,
        protocol=at.scheme,
        url_path_prefix=f"{prefix}/" if prefix else "",
        timeout=_TIMEOUT_S,
    )
    return Grafana(api, GrafanaException)


def _sentence(path: str, status: int, message: object) -> str:
    remedy = "see its log"
    if status in (401, 403):
        remedy = "give a service account token with the role Admin (Editor, if the data source is there already)"
    return f"Grafana answered {status} to {path} ({message}): {remedy}"
