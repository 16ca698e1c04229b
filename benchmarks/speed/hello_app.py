"""A bare FastAPI application: what the web server itself costs, beside which `benchmarks.serving` measures."""

from __future__ import annotations

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def hello() -> dict[str, str]:
    """The least that a route can do."""
    return {"hello": "world"}
