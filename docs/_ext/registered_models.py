"""The directive `registered-models`: a table of the registered models, with a page for each, as `autosummary` has it.

`autosummary` takes names that stand in a page. Here they come from the registry, so that a new model is in the
reference without a line of its own.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.ext.autosummary import Autosummary
from sphinx.ext.autosummary.generate import generate_autosummary_docs

import recae
import recae.models

FOLDER = "reference/api"


def registered(kind: str) -> Iterator[str]:
    """The models that give "ratings" or "rankings", as recae.NAME in the order of the registry, each class once."""
    for model_class in dict.fromkeys(entry.model_class for entry in recae.MODELS.values()):
        if model_class.predicts_ratings == (kind == "ratings"):
            yield f"recae.{model_class.__name__}"


class RegisteredModels(Autosummary):
    """`.. registered-models:: ratings` or `rankings`, in a page of reference/."""

    required_arguments = 1
    has_content = False

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(recae.models.__file__)
        self.options.update(toctree=Path(FOLDER).name, nosignatures=None)
        self.content = StringList(list(registered(self.arguments[0])), source="the registry of models")
        return super().run()


def write_pages(app: Sphinx) -> None:
    """A stub for each model, as autosummary writes them for the names that stand in pages."""
    names = [*registered("ratings"), *registered("rankings")]
    with TemporaryDirectory() as folder:
        source = Path(folder) / "models.rst"
        source.write_text("\n   ".join([".. autosummary::", ":toctree: .", "", *names]) + "\n", encoding="utf-8")
        generate_autosummary_docs([str(source)], output_dir=app.srcdir / FOLDER, app=app)


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sphinx.ext.autosummary")
    app.add_directive("registered-models", RegisteredModels)
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
