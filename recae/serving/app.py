"""The routes: each reads the current model once, and has its answer computed by `recae.serving.answers`."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from recae import __version__
from recae.errors import DataError, ModelFileError, ParameterError, RecaeError, UnknownIdError
from recae.serving import answers, bodies
from recae.serving.body_route import BodyRoute
from recae.serving.desk import QUICK, BusyError, Desk
from recae.serving.guard import Guard
from recae.serving.limits import Limits
from recae.serving.model_holder import ModelHolder
from recae.serving.pages import add_pages
from recae.serving.served_model import ServedModel

log = logging.getLogger("recae.serving")
_STATUS = {UnknownIdError: 404, ParameterError: 422, DataError: 422, ModelFileError: 409}
_FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": bodies.Failure, "description": said}
    for status, said in {
        400: "the body is no JSON", 404: "a user or an item is unknown", 413: "the body is too large",
        422: "the request asks for what is not possible", 503: "busy, or it takes too long: come back",
    }.items()
}  # fmt: skip
Text = Annotated[str, Query(max_length=200, description="words of a title, or a part of an id")]
Number = Annotated[int, Query(ge=1, le=answers.FOUND)]
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
FEW = 50  # events, with which a list takes hardly longer than with those that `row_seconds` was measured with
LONGEST = 1000  # characters of an error's message; a request of ten thousand mistakes has no answer of a megabyte
MANY = 50_000  # items or users, through which a search is no quick job
_ABOUT = """Lists, ratings, similar items and explanations by one fitted model.

Ids have the type that they have in the training data: `1` and `"1"` are different ids. Each answer names the model that
gave it by its `fingerprint`. An error is `{"error": its kind, "message": one line}`."""


def make_app(
    holder: ModelHolder,
    limits: Limits | None = None,
    *,
    page: bool = True,
    allow_reload: bool = False,
    watch_seconds: float = 1.0,
    threads: int = 2,
) -> FastAPI:
    """The application.

    Args:
        holder: of the model.
        limits: of requests.
        page: serve the page at `/`.
        allow_reload: `POST /reload` reads the model's file at once.
        watch_seconds: time between two looks at the file; 0 for none.
        threads: for answers that are not quick.
    """
    limits = limits or Limits()
    desk = Desk(limits, threads)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(holder.watch(watch_seconds)) if watch_seconds else None
        try:
            yield
        finally:
            if watching:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
            desk.close()

    app = FastAPI(
        title="recae", version=__version__, description=_ABOUT, lifespan=lifespan, docs_url=None, redoc_url=None,
        responses=_FAILURES,
    )  # fmt: skip
    app.add_middleware(Guard, limits=limits)
    _translate_errors(app)
    _add_models_routes(app, holder, desk, limits)
    _add_routes_about_the_model(app, holder, desk, allow_reload=allow_reload)
    add_pages(app, index=page)
    return app


def _add_models_routes(app: FastAPI, holder: ModelHolder, desk: Desk, limits: Limits) -> None:
    router = APIRouter(route_class=BodyRoute, responses=_FAILURES)

    async def answer(job: Callable[..., dict[str, Any]], body: Any, quick: Callable[[ServedModel], bool]) -> Response:
        served = holder.current  # once: a request has one model from its beginning to its end
        found = await desk.run(partial(job, served, body, limits), quick=quick(served))
        return _json({"fingerprint": served.fingerprint, **found})

    @router.post("/recommend", response_model=bodies.Lists, tags=["lists"])
    async def recommend(body: bodies.RecommendBody) -> Response:
        """The items that the model scores highest, for a known user, several of them, or a live user's events."""
        one = body.users is None and body.where is None and len(body.events or ()) <= FEW
        return await answer(answers.recommend, body, lambda served: one and served.row_seconds < QUICK)

    @router.post("/predict", response_model=bodies.Predictions, tags=["ratings"])
    async def predict(body: bodies.PredictBody) -> Response:
        """The ratings that a user would give to items; of models that predict ratings."""
        return await answer(answers.predict, body, _never)

    @router.post("/similar", response_model=bodies.SimilarItems, tags=["lists"])
    async def similar(body: bodies.SimilarBody) -> Response:
        """The items nearest to one."""
        return await answer(answers.similar, body, _never)

    @router.post("/explain", response_model=bodies.Explanations, tags=["ratings"])
    async def explain(body: bodies.ExplainBody) -> Response:
        """What each rating of a user adds to the scores of items."""
        return await answer(answers.explain, body, _never)

    app.include_router(router)


def _add_routes_about_the_model(app: FastAPI, holder: ModelHolder, desk: Desk, *, allow_reload: bool) -> None:
    @app.get("/items", response_model=bodies.FoundItems, tags=["search"])
    async def items(q: Text = "", n: Number = 20) -> Response:
        """Items by words of their titles, the most rated first."""
        served = holder.current
        job = partial(answers.find_items, served, q, n)
        return _json({"fingerprint": served.fingerprint, **await desk.run(job, quick=len(served.item_ids) < MANY)})

    @app.get("/users", response_model=bodies.FoundUsers, tags=["search"])
    async def users(q: Text = "", n: Number = 20) -> Response:
        """Known users by a part of their ids, those with most ratings first."""
        served = holder.current
        job = partial(answers.find_users, served, q, n)
        return _json(
            {"fingerprint": served.fingerprint, **await desk.run(job, quick=served.model.ratings_.n_users < MANY)}
        )

    @app.get("/model", response_model=bodies.Card, tags=["model"])
    async def card() -> Response:
        """What the model is, and what it has learnt from."""
        return _json(holder.current.card)

    @app.get("/health", response_model=bodies.Health, tags=["model"])
    async def health() -> Response:
        """That it serves, since when, and why a newer file was refused."""
        served = holder.current
        about = {"fingerprint": served.fingerprint, "loaded": served.loaded, "refused": holder.refused}
        return _json({"status": "ok", **about})

    if allow_reload:

        @app.post("/reload", response_model=bodies.Card, tags=["model"], responses={409: {"model": bodies.Failure}})
        async def reload() -> Response:
            """Read the model's file now. Where it is damaged, the old model goes on (409)."""
            await holder.reload()
            return _json(holder.current.card)


def _never(_: ServedModel) -> bool:
    return False


# ---------------------------------------------------------------- answers and errors


def _json(content: Any, status: int = 200) -> Response:
    headers = {"Retry-After": "1"} if status == 503 else None
    return Response(_encode(content), status, headers, "application/json")


def _failure(status: int, kind: str, message: str) -> Response:
    said = " ".join(message.split())
    return _json({"error": kind, "message": said if len(said) <= LONGEST else f"{said[:LONGEST]}..."}, status)


def _translate_errors(app: FastAPI) -> None:
    """Every error is one line of JSON: the library's words, and never a traceback."""

    async def of_recae(_: Request, error: Exception) -> Response:
        status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
        return _failure(status, type(error).__name__, str(error))

    async def of_request(_: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else []
        status = 400 if any(one["type"] == "json_invalid" for one in found) else 422
        return _failure(status, "RequestError", "; ".join(dict.fromkeys(map(_place, found))) or str(error))

    async def of_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        response = _failure(error.status_code, "RequestError", str(error.detail))
        response.headers.update(error.headers or {})
        return response

    async def busy(_: Request, error: Exception) -> Response:
        return _failure(503, "BusyError", str(error))

    async def unexpected(_: Request, error: Exception) -> Response:
        return _failure(500, "InternalError", f"unexpected {type(error).__name__}; the server's log says more")

    for kind, handler in (
        (RecaeError, of_recae), (RequestValidationError, of_request), (HTTPException, of_http), (BusyError, busy),
        (Exception, unexpected),
    ):  # fmt: skip
        app.add_exception_handler(kind, handler)


def _place(found: Any) -> str:
    """Where a request is wrong, and how: `events.0.rating: Input should be a valid number`."""
    of_types = () if found["type"] == "extra_forbidden" else ("int", "str", "float")  # which one of a union was tried
    where = ".".join(str(part) for part in found["loc"][1:] if part not in of_types)
    said = str(found["msg"]).removeprefix("Value error, ")
    return f"{where}: {said}" if where and found["type"] != "json_invalid" else said
