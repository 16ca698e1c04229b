"""No module of recae unpickles: by what is imported and called, so that no path that reads a file can."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from test_layers import FILES

PICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle", "pickletools"}
LOADERS = {"torch.load", "pd.read_pickle", "pandas.read_pickle", "yaml.load", "yaml.unsafe_load"}
COLLECTIVES = {"all_gather_object", "gather_object", "broadcast_object_list", "scatter_object_list", "recv_object_list"}


def unpickling(source: str) -> list[str]:
    """What a module does that may unpickle: imports, loaders, collectives of objects, `np.load` unless it says no."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name.partition(".")[0] in PICKLERS]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module or ""] if (node.module or "").partition(".")[0] in PICKLERS else []
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            said = {one.arg: ast.unparse(one.value) for one in node.keywords}
            careless = called in ("np.load", "numpy.load") and said.get("allow_pickle") != "False"
            if careless or called in LOADERS or called.rpartition(".")[2] in COLLECTIVES:
                found.append(called)
            if said.get("allow_pickle") == "True" or said.get("weights_only") == "False":
                found.append(f"{called} with pickle")
    return found


@pytest.mark.parametrize("path", FILES, ids=str)
def test_nothing_is_unpickled(path: Path) -> None:
    """Headers are JSON, arrays are bytes: there is no call in this module that reads Python objects."""
    assert unpickling(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from joblib import load", "import numpy as np\nnp.load(p)", "np.load(p, allow_pickle=True)",
        "torch.load(p, weights_only=True)", "dist.broadcast_object_list(x)", "f(p, allow_pickle=True)",
    ],
)  # fmt: skip
def test_each_way_is_seen(source: str) -> None:
    """Of what this test looks for, every way is found."""
    assert unpickling(source)


def test_what_reads_no_objects_is_let_be() -> None:
    """NumPy told not to, and words in texts."""
    assert unpickling('"""No pickle."""\nnp.load(p, allow_pickle=False)\njson.loads(t)') == []
