"""Notebooks in a real Jupyter kernel: pages run, results show themselves, an interrupted fit leaves models usable.

Skipped visibly without the extra `notebook`; tests/test_documents.py runs every notebook's cells in any case.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_documents import NOTEBOOKS, ROOT, assert_same, blocks

jupytext = pytest.importorskip("jupytext", reason="the extra `notebook` is not installed")
nbclient = pytest.importorskip("nbclient", reason="the extra `notebook` is not installed")
pytest.importorskip("ipykernel", reason="the extra `notebook` is not installed")
pytestmark = pytest.mark.slow

Run = Callable[..., list[dict[str, Any]]]


def test_a_page_runs_as_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jupytext reads a page, its cells run in order, and each prints what the page says below it."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = jupytext.read(NOTEBOOKS / "quick_start.md")
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    printed = [
        "".join(one["text"] for one in cell.outputs if one.output_type == "stream" and one.name == "stdout")
        for cell in cells
    ]
    said = [block.text for block in blocks(NOTEBOOKS / "quick_start.md") if block.language == "text"]
    assert len(cells) == len(said)
    for one, other in zip(said, printed):
        assert_same(one, other)


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Run a cell in a kernel of its own; what it sends is returned, and it may be interrupted once its bar is there."""
    from jupyter_client.manager import start_new_kernel

    kernel, client = start_new_kernel(kernel_name="python3", env=os.environ | {"PYTHONPATH": str(ROOT)})

    def run(code: str, interrupt: bool = False) -> list[dict[str, Any]]:
        request, sent = client.execute(code), []
        while True:
            message = client.get_iopub_msg(timeout=120)
            content = message["content"]
            if message["parent_header"].get("msg_id") != request:
                continue
            if interrupt and "training:" in str(content):
                time.sleep(0.5)
                kernel.interrupt_kernel()
                interrupt = False
            if content.get("execution_state") == "idle":
                return sent
            sent.append(content)

    yield run
    client.stop_channels()
    kernel.shutdown_kernel(now=True)


def test_results_show_themselves_and_an_interrupted_fit_leaves_models_usable(run: Run) -> None:
    """HTML of ratings and of a model, with a bar while it trains; after an interruption one line says what is kept, and
    both the fitted model and the kernel go on."""
    shown = run("import recae\nratings = recae.load('sample')\nratings")[-1]
    assert "<table" in shown["data"]["text/html"]
    fitted = run("model = recae.AutoRec(hidden=8, epochs=2)\nmodel.fit(ratings)")
    assert any("training:" in str(one) for one in fitted)
    assert "<table" in fitted[-1]["data"]["text/html"]
    error = run("recae.AutoRec(hidden=50, epochs=10**6).fit(ratings)", interrupt=True)[-1]
    assert error["ename"] == "TrainingInterrupted"
    assert error["evalue"].startswith("training stopped after ")
    assert run("print(len(model.recommend([1], n=3)))")[-1]["text"] == "3\n"
