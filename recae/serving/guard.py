"""The gate before the application: bodies are bounded in bytes and in time, whatever the client says."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recae.serving.limits import Limits

_HEADERS = [
    (b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"), (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
]  # fmt: skip


class Guard:
    """ASGI middleware: reads a request's body whole before the application sees it, and refuses one that is too large
    (413) or takes too long (408). Answers get headers that keep pages to what this server itself sends."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        try:
            async with asyncio.timeout(self.limits.body_seconds):
                body = await self._body(scope, receive)
        except TimeoutError:
            await _refuse(send_with_headers, 408, f"the body did not arrive in {self.limits.body_seconds:g} seconds")
            return
        if body is None:
            await _refuse(
                send_with_headers, 413, f"the body is too large: at most {self.limits.body_bytes:,} bytes are read"
            )
            return
        given = [body]

        async def whole() -> Message:
            if given:
                return {"type": "http.request", "body": given.pop(), "more_body": False}
            return await receive()  # that the client is gone

        await self.app(scope, whole, send_with_headers)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None where it is too large."""
        stated = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not stated.isdigit() or int(stated[:20]) > self.limits.body_bytes:
            return None
        parts: list[bytes] = []
        size = 0
        while True:
            message: dict[str, Any] = dict(await receive())
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.limits.body_bytes:
                return None
            if message["type"] != "http.request" or not message.get("more_body", False):
                return b"".join(parts)


async def _refuse(send: Send, status: int, message: str) -> None:
    body = json.dumps({"error": "Refused", "message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
