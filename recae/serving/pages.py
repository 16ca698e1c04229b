"""The pages that the server itself brings: the one at `/`, and `/docs`. Nothing is fetched from anywhere else."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI
from fastapi.responses import Response

_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def add_pages(app: FastAPI, *, index: bool) -> None:
    """Routes for the files in `static/`, read once.

    Args:
        index: also the page at `/`.
    """
    names = {one.name: one.read_bytes() for one in files("recae.serving").joinpath("static").iterdir() if one.is_file()}
    for name, content in names.items():
        stem, _, kind = name.partition(".")
        if stem == "index" and not index:
            continue
        paths = {"index.html": "/", "docs.html": "/docs"}
        _add_file(app, paths.get(name, f"/static/{name}"), content, _KINDS[kind])


def _add_file(app: FastAPI, path: str, content: bytes, kind: str) -> None:
    async def file() -> Response:
        return Response(content, headers={"Cache-Control": "no-cache"}, media_type=kind)

    app.add_api_route(path, file, methods=["GET", "HEAD"], include_in_schema=False)
