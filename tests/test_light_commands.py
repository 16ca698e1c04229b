"""Commands that need no PyTorch do not import it: lists of models, lists of a linear model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import done, inline
from contract import COLD_USER, FILMS, fitted, frame_of

from recae.cli.model_list import listed_models
from recae.models import MODELS
from recae.recommender.params import declared
from recae.recommender.saved_linear import CLASSES, read_linear

_RUN = """
import sys
from recae.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print(code or 0, "torch" in sys.modules, "pandas" in sys.modules, file=sys.stderr)
"""


def ran(*args: object) -> tuple[str, list[str]]:
    """stdout of a command in a process of its own; its exit code, and whether torch and pandas were imported."""
    command = [sys.executable, "-c", _RUN, *map(str, args)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return found.stdout, found.stderr.splitlines()[-1].split()


def test_the_list_of_models_is_the_registry() -> None:
    """What is read from the modules' text is what importing them registers, in every field."""
    found = {m.name: (m.about, m.class_name, m.preset, m.gives == "ratings") for m in listed_models()}
    assert found == {
        name: (entry.about, entry.model_class.__name__, entry.preset, entry.model_class.predicts_ratings)
        for name, entry in MODELS.items()
    }


def test_models_are_listed_without_torch() -> None:
    """`recae models` imports neither torch nor pandas, and a misspelt model is answered without them too."""
    printed, facts = ran("models")
    assert facts == ["0", "False", "False"]
    assert all(any(line.startswith(f"{name} ") for line in printed.splitlines()) for name in MODELS)
    assert ran("models", "eese")[1] == ["2", "False", "False"]
    assert "did you mean ease?" in inline("models", "eese").stderr
    assert "did you mean ease?" in inline("train", "--model", "eese").stderr


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.model_class.__name__ in CLASSES])
@pytest.mark.parametrize("values", ["binary", "ratings", "log"])
def test_a_linear_file_lists_as_its_model_does(name: str, values: str, tmp_path: Path) -> None:
    """Without torch, lists of known and new users are those of the model, and so are the items' similarities."""
    settings = {"l2": 50.0, "values": values, "centre": values == "ratings", "popularity": 0.5, "factors": 3}
    has = {one.name for one in declared(MODELS[name].model_class)}
    model = MODELS[name].make(**{name: value for name, value in settings.items() if name in has})
    model.fit(fitted("ease").ratings_)
    light = read_linear(model.save(tmp_path / "m.recae"))
    assert light is not None
    for one, two in (
        (light.recommend(model.ratings_.user_ids[:4], 5), model.recommend(model.ratings_.user_ids[:4], 5)),
        (light.recommend([COLD_USER], 5), model.recommend([COLD_USER], 5)),
        (light.recommend_new(frame_of(3), 5), model.recommend_new(frame_of(3), 5)),
        (light.similar_items(FILMS[:2], 3), model.similar_items(FILMS[:2], 3)),
    ):
        assert one["score"].to_numpy() == pytest.approx(two["score"].to_numpy(), abs=1e-5)
    assert read_linear(fitted("als").save(tmp_path / "als.recae")) is None
    assert repr(light).startswith(type(model).__name__)


def test_recommend_from_a_linear_file_imports_no_torch(tmp_path: Path) -> None:
    """Lists of known and new users, and similar items, come without torch; those of another model with it."""
    model = fitted("ease")
    file, user = model.save(tmp_path / "m.recae"), model.ratings_.user_ids[0]
    printed, facts = ran("recommend", file, "--user", user, "-n", "3", "--format", "csv")
    assert facts[:2] == ["0", "False"]
    assert len(printed.splitlines()) == 4
    frame_of(3).to_csv(tmp_path / "new.csv", index=False)
    assert ran("recommend", file, "--new-ratings", tmp_path / "new.csv")[1][:2] == ["0", "False"]
    assert ran("similar", file, "--item", FILMS[0])[1][:2] == ["0", "False"]
    popular = fitted("popularity").save(tmp_path / "p.recae")
    assert ran("recommend", popular, "--user", user)[1][:2] == ["0", "False"]
    other = fitted("als").save(tmp_path / "als.recae")
    assert ran("recommend", other, "--user", user)[1][:2] == ["0", "True"]


def test_a_changed_linear_file_is_refused(tmp_path: Path) -> None:
    """The light way in checks checksums as the other does."""
    file = fitted("ease").save(tmp_path / "m.recae")
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    result = inline("recommend", file, "--user", "x")
    assert result.exit_code == 1
    assert "has been changed since it was written" in result.stderr
    assert done(inline("models"))
