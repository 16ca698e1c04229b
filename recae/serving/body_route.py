"""A route whose only argument is its body, which pydantic reads from bytes: FastAPI's own way takes twice as long."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, get_args, get_type_hints

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from recae.errors import choose


class BodyRoute(APIRoute):
    """`async def endpoint(body: Model) -> Response`; described in OpenAPI as any other route.

    A body of another type than JSON is refused: a browser sends such a one from a foreign page without asking.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Any = self.endpoint
        model: type[BaseModel] = get_type_hints(endpoint)["body"]

        async def handle(request: Request) -> Response:
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                said = f"a body of type application/json is needed, not {kind or 'of no type'}"
                raise RequestValidationError([{"type": "content_type", "loc": ("body",), "msg": said}])
            try:
                body = model.model_validate_json(await request.body())
            except ValidationError as error:
                raise RequestValidationError([_told(model, one) for one in error.errors(include_url=False)]) from None
            answer: Response = await endpoint(body)
            return answer

        return handle


def _told(model: type[BaseModel], found: Any) -> dict[str, Any]:
    """What is wrong with a body, as FastAPI places it; of a field that is not there, which fields are."""
    told = {**found, "loc": ("body", *found["loc"])}
    if found["type"] == "extra_forbidden":
        *inside, name = found["loc"]
        told["msg"] = f"there is no such field; {choose(name, _fields(model, inside))}"
    return told


def _fields(model: type[BaseModel], inside: Sequence[Any]) -> tuple[str, ...]:
    """Names of the fields of a model, or of the one that is `inside` it: field, position in a list, ..."""
    for name in inside:
        if name in model.model_fields:
            model = _model_in(model.model_fields[name].annotation) or model
    return tuple(model.model_fields)


def _model_in(kind: Any) -> type[BaseModel] | None:
    """The model that a type is made of: `list[Event] | None` of `Event`."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next(filter(None, map(_model_in, get_args(kind))), None)
