"""What the board's ways in share: a body of bounded length, and a refusal in one sentence."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

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
