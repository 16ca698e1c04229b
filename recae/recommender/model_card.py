"""What a model file says of its model: facts for `recae info`, and a model card (Mitchell et al., 2019) in Markdown.

Only the file's header is read, so neither PyTorch nor NumPy is needed, and a large model is no slower than a small one.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from recae.errors import ModelFileError
from recae.headers import Header, read_header


def facts_of(path: str | Path) -> dict[str, Any]:
    """What a model file says: class, settings, data, training, versions, sizes.

    Files of recae before 0.2 say less: what is not in them is None, or left out.

    Raises:
        ModelFileError: see `recae.headers.read_header`; or the file holds no model.
    """
    header = read_header(path)
    if header.kind != "model":
        raise ModelFileError(f"{path} holds a {header.kind}, not a model")
    try:
        tree = _mapping(header.content["tree"])
        params, ratings = _plain(tree["params"]), _mapping(tree["ratings"])
        about = header.content.get("about") or {}
        data = {**_data(header, ratings), **about.get("data", {})}
        found = {
            "file": Path(path).name, "bytes": Path(path).stat().st_size, "fingerprint": header.fingerprint,
            "format": header.format, "class": str(header.content["class"]), "gives": about.get("gives"),
            "settings": params, "chosen": _mapped(about.get("chosen")),
            "data": data, "lean": "lean" in ratings, "training": about.get("training"),
            "saved": about.get("saved"), "versions": about.get("versions", {}),
        }  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise ModelFileError(f"{path}: its header is not that of a model", remedy="fetch or save it anew") from None
    return found


def _data(header: Header, ratings: dict[str, Any]) -> dict[str, Any]:
    """What shapes of arrays say of the ratings."""
    users = header.shapes[ratings["indptr"]["name"]][0] - 1
    return {
        "name": ratings["name"], "n_users": users, "n_items": _length(ratings["item_ids"], header),
        "n_ratings": header.shapes[ratings["data"]["name"]][0], "scale": _plain(ratings["scale"]),
    }  # fmt: skip


def _length(node: Any, header: Header) -> int | None:
    """The length of ids: of an array, or of a packed list, whose parts are arrays of some length."""
    if node["#"] == "tensor":
        return int(header.shapes[node["name"]][0])
    if node["#"] == "list":
        return len(node["items"])
    sizes = [header.shapes[part["name"]][0] for part in _mapping(node).values() if isinstance(part, dict)]
    return None if not sizes else int(min(sizes))


def _mapped(value: Any) -> dict[str, Any]:
    """An object of the file, or nothing: files of recae before 0.2 have none."""
    return value if isinstance(value, dict) else {}


def _mapping(node: Any) -> dict[str, Any]:
    """The entries of a packed dict (`recae.storage.pack`), unpacked no further."""
    if node["#"] != "dict":
        raise ValueError("no mapping")
    return {str(name): value for name, value in node["items"]}


def _plain(node: Any) -> Any:
    """A packed nest without arrays, as plain values; tuples are lists."""
    if not isinstance(node, dict):
        return node
    if node["#"] == "dict":
        return {str(name): _plain(value) for name, value in node["items"]}
    return [_plain(value) for value in node["items"]]


# ---------------------------------------------------------------- the card


def card(facts: dict[str, Any], name: str | None = None, about: str | None = None) -> str:
    """A model card in Markdown, with the sections of Mitchell et al., "Model Cards for Model Reporting" (2019).

    Args:
        facts: what `facts_of` gives.
        name, about: the model's name and the sentence about it, where it is a registered one.
    """
    title = name or facts["class"]
    parts = [
        f"# {title} on {_text(facts['data']['name'])}", _details(facts, name, about), _uses(facts), _training(facts),
        _figures(facts), _limits(), _settings(facts),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _text(value: Any) -> str:
    """A text from a file as Markdown shows it, whatever is in it."""
    plain = html.escape(" ".join(str(value).split()), quote=False)
    return "".join(f"\\{c}" if c in "\\`*_[]|#~" else c for c in plain)


def _table(rows: list[tuple[str, Any]]) -> str:
    lines = [f"| {_text(name)} | {_text(value)} |" for name, value in rows if value not in (None, "", [])]
    return "\n".join(["| | |", "|---|---|", *lines])


def _details(facts: dict[str, Any], name: str | None, about: str | None) -> str:
    versions = ", ".join(f"{package} {number}" for package, number in facts["versions"].items())
    rows = [
        ("model", f"{name} ({facts['class']})" if name else facts["class"]), ("what it is", about),
        ("gives", facts["gives"]), ("saved", facts["saved"]), ("versions", versions),
        ("file", f"{facts['file']}, {facts['bytes'] / 1e6:.1f} MB"), ("fingerprint", facts["fingerprint"]),
    ]  # fmt: skip
    return "## Model details\n\n" + _table(rows)


def _uses(facts: dict[str, Any]) -> str:
    gives = "It predicts ratings and lists items." if facts["gives"] == "ratings" else "It lists items by a score."
    whom = (
        "It holds nobody's ratings, and serves users from the ratings that come with a request."
        if facts["lean"]
        else "It serves the users of its training data, and new users from the ratings that come with a request. **It "
        "holds the training ratings with the users' ids**: who has the file can read them."
    )
    return f"## Intended use\n\n{gives} {whom}"


def _training(facts: dict[str, Any]) -> str:
    data, training = facts["data"], facts["training"] or {}
    low, high = data["scale"]
    rows = [
        ("name", data["name"]), ("users", f"{data['n_users']:,}"), ("items", _count(data["n_items"])),
        ("ratings", f"{data['n_ratings']:,}"), ("scale", f"{low:g} to {high:g}"),
        ("mean rating", None if data.get("mean") is None else f"{data['mean']:.3f}"),
        ("dates", " to ".join(day for day in data.get("days", []) if day)),
        ("columns of the item table", ", ".join(data.get("item_columns", []))), ("split", words(training.get("split"))),
        ("training ratings", _count(training.get("n_train"))),
        ("validation ratings", _count(training.get("n_validation"))), ("seconds of training", training.get("seconds")),
        ("epoch used", training.get("best_epoch")),
    ]  # fmt: skip
    return "## Training data\n\n" + _table(rows)


def _figures(facts: dict[str, Any]) -> str:
    training = facts["training"] or {}
    figures = training.get("figures")
    if not figures:
        return "## Evaluation\n\nThe file says nothing of a test part: the model was not measured when it was saved."
    intervals = training.get("intervals", {})
    lines = [
        f"| {_text(name)} | {value:.4f} | {' to '.join(f'{end:.4f}' for end in intervals.get(name, []))} |"
        for name, value in figures.items()
        if isinstance(value, int | float)
    ]
    simple = training.get("simple_model")
    floor = f"\n\nFor comparison: {simple['model']} has {simple['metric']} {simple['value']:.4f}." if simple else ""
    tested = f"On {_count(training.get('n_test'))} test ratings that the model did not learn from."
    head = "| metric | value | 95 % interval over users |\n|---|---|---|\n"
    return f"## Evaluation\n\n{tested}\n\n{head}" + "\n".join(lines) + floor


def _limits() -> str:
    lines = [
        "- The figures are of the data named above. On other data, and at other times, they differ.",
        "- It lists what people like those of the training data chose: what was seldom shown to them is seldom listed.",
        "- Items that are not in the training data are never listed.",
    ]
    return "## Limits\n\n" + "\n".join(lines)


def _settings(facts: dict[str, Any]) -> str:
    return "## Settings\n\n" + _table(list(settings_lines(facts).items()))


ALONE = 1e12  # POPULAR of recae.recommender.popularity, which would import NumPy
# What `chosen_` has beside settings, for people.
_WEIGHTS = {
    "weight": "weight against the biases", "cold_users": "weight of features for users without ratings",
    "cold_items": "weight of features for items without ratings",
}  # fmt: skip


def settings_lines(facts: dict[str, Any]) -> dict[str, str | None]:
    """Settings by name as words, with what the fit chose where they leave it open."""
    settings = facts["settings"]
    lines = {name: words(value) for name, value in settings.items()}
    for name, value in facts["chosen"].items():
        of = f" of {lines[name]}" if name == "epochs" and settings.get(name, value) != value else ""
        lines[name if name in settings else _WEIGHTS.get(name, name)] = f"{_found(name, value)}{of} (chosen)"
    return lines


def chosen_words(chosen: dict[str, Any]) -> str:
    """What a fit chose, as words: `factors 16, alpha 10, popularity 0`."""
    return ", ".join(f"{_WEIGHTS.get(name, name)} {_found(name, value)}" for name, value in chosen.items())


def _found(name: str, value: Any) -> str | None:
    if name == "members" and isinstance(value, list):
        return ", ".join(str(_found("base", one)) for one in value)
    if isinstance(value, dict):
        rest = chosen_words({one: of for one, of in value.items() if one != "model"})
        return f"{value.get('model')} ({rest})" if rest else str(value.get("model"))
    alone = name == "popularity" and isinstance(value, int | float) and value >= ALONE
    if alone:
        return "alone"
    return f"{value:.4g}" if isinstance(value, float) else words(value)


def _count(number: Any) -> str | None:
    return f"{number:,}" if isinstance(number, int) else None


def words(value: Any) -> str | None:
    """Settings as words: `how random, test 0.1`."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {words(one)}" for name, one in value.items() if one is not None)
    if isinstance(value, list | tuple):
        return ", ".join(str(words(one)) for one in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return "none" if value is None else str(value)
