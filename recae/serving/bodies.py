"""What requests hold and answers give, as pydantic models: they check requests, and are the OpenAPI page's schemas."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, model_validator

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Id = StrictInt | StrictStr | Number  # NaN is no id: what names it in an answer would be no JSON


class Body(BaseModel):
    """A request's body. A name that is not known is refused: it is a misspelt one."""

    model_config = ConfigDict(extra="forbid")


class Event(Body):
    """One rating of a live user."""

    item: Id
    rating: Number | None = Field(None, description="on the model's scale; may be left out for models that rank")
    timestamp: Number | StrictStr | None = Field(
        None,
        description="when: seconds since 1970 or an ISO date; of all events or of none; models that read the order of "
        "events take it from here, and not from the order of the list",
    )


Events = Annotated[list[Event], Field(description="what a live user rated; nothing of it is stored")]


class OneUser(Body):
    """A known user, or a live one."""

    user: Id | None = Field(None, description="a user that the model was trained on")
    events: Events | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        given = [name for name in ("user", "users", "events") if getattr(self, name, None) is not None]
        if len(given) != 1:
            choices = "user, users or events" if "users" in type(self).model_fields else "user or events"
            raise ValueError(f"exactly one of {choices} is needed; {' and '.join(given) or 'none'} is given")
        return self


class RecommendBody(OneUser):
    """Whose list, and of what."""

    users: list[Id] | None = Field(None, description="several known users, a list each")
    n: StrictInt = Field(10, description="length of a list")
    candidates: list[Id] | None = Field(None, description="items to choose among; by default all")
    exclude: list[Id] | None = Field(None, description="items to leave out")
    where: str | None = Field(
        None, description="a condition over the item table: 'year >= 1990 and \"Comedy\" in genres'"
    )
    filter_seen: bool = Field(True, description="leave out what the user rated")
    unknown: Literal["error", "popular"] = Field(
        "error",
        description="ids that the model does not know: refuse them, or list what is popular and pass items over",
    )

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"events": [{"item": 1, "rating": 5}], "n": 10}]}
    )


class PredictBody(OneUser):
    """Whose ratings, of which items, and perhaps when."""

    items: list[Id]
    timestamp: Number | None = Field(
        None, description="the moment asked at, in seconds since 1970, of models that read dates; by default after all"
    )

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"user": 1, "items": [1, 2]}]})


class SimilarBody(Body):
    """An item, and how many that are like it."""

    item: Id
    n: StrictInt = 10

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"item": 1, "n": 10}]})


class ExplainBody(OneUser):
    """Whose scores, of which items, by how many ratings each."""

    items: list[Id]
    n: StrictInt = Field(5, description="contributions of an item, at most")

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"user": 1, "items": [1, 2], "n": 3}]})


# ---------------------------------------------------------------- answers


class Answer(BaseModel):
    """Each answer names the model that gave it."""

    fingerprint: str


class Listed(BaseModel):
    """An item of a list."""

    item: Id
    title: str | None
    score: float
    rank: int


class UserList(BaseModel):
    user: Id
    items: list[Listed]


class Lists(Answer):
    """`items` for one user, `lists` for several; `left_out` are items of events that the model does not know."""

    items: list[Listed] | None = None
    lists: list[UserList] | None = None
    left_out: list[Id] | None = None


class Prediction(BaseModel):
    item: Id
    title: str | None
    rating: float


class Predictions(Answer):
    predictions: list[Prediction]
    left_out: list[Id] | None = None


class SimilarItems(Answer):
    item: Id
    items: list[Listed]


class Contribution(BaseModel):
    item: Id
    title: str | None
    rating: float
    contribution: float
    session: int | None = Field(None, description="of models of sessions: counted from 1, the user's first")
    timestamp: int | None = Field(None, description="of models that read dates, where it is known")


class Explanation(BaseModel):
    """`contributions` and `base`, the score of an empty row, sum to the score where the explanation is exact."""

    item: Id
    title: str | None
    score: float
    base: float
    contributions: list[Contribution]


class Explanations(Answer):
    exact: bool
    explanations: list[Explanation]
    left_out: list[Id] | None = None


class Named(BaseModel):
    item: Id
    title: str | None


class FoundItems(Answer):
    items: list[Named]


class FoundUsers(Answer):
    users: list[Id]


class Health(Answer):
    status: Literal["ok"]
    loaded: str
    refused: str | None = Field(description="why a newer file was not taken; null where there is none")


class Card(Answer):
    model_config = ConfigDict(extra="allow", protected_namespaces=())

    model: str
    settings: dict[str, Any]
    data: dict[str, Any]


class Failure(BaseModel):
    """Every error, as one line."""

    error: str = Field(description="its kind, such as UnknownIdError")
    message: str
