"""What the board's ways in share: a body of bounded length, an act on an alert, a refusal in one sentence."""

from __future__ import annotations

from pathlib import Path

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from collector.spool.frames import Action, Control
from collector.spool.spool import Spool, SpoolError
from detectors.actions import ActionRequest, EndedAlert, UnknownAlert, act

LONGEST_BODY = 4096


async def body_of(request: Request) -> bytes | None:
    """The request's body, None as soon as it is longer than allowed."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            return None
    return body


def said(sentence: str, status: int) -> Response:
    return Response(msgspec.json.encode({"error": sentence}), media_type="application/json", status_code=status)


async def acted(spool_path: Path, action: Action, alert_id: str, wanted: ActionRequest) -> Response:
    """202 with what was written into the log, or why nothing was. Raises ValueError: a request without sense."""
    try:
        control = await run_in_threadpool(_written, spool_path, action, alert_id, wanted)
    except EndedAlert as error:
        return said(str(error), 409)
    except UnknownAlert as error:
        return said(str(error), 404)
    except SpoolError as error:
        return said(str(error), 503)
    return Response(msgspec.json.encode({"taken": control}), media_type="application/json", status_code=202)


def _written(spool_path: Path, action: Action, alert_id: str, wanted: ActionRequest) -> Control:
    """From a connection of its own: requests come on any thread."""
    with Spool.open(spool_path) as spool:
        return act(spool, action, alert_id, wanted)
