"""A fitted model over HTTP: `recae serve` (needs the extra `serve`: FastAPI and uvicorn). See docs/serving.md."""
