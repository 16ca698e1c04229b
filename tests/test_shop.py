"""The walk through a shop, docs/shop: every command of the page runs, in one script, to the served page."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from cli_helpers import LIMITS, warm

import recae
from recae.ratings.conditions import items_where
from recae.recommender.model_card import facts_of

ROOT = Path(__file__).parents[1]


def script() -> str:
    """The page's block of commands."""
    found = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "shop" / "README.md").read_text(), re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_truths_of_a_table_are_truths(tmp_path: Path) -> None:
    """`in_stock` keeps what is in stock, where the file says true or False, and not where it says nothing."""
    (tmp_path / "r.csv").write_text("user,item\na,x\na,y\nb,x\nb,z\n")
    (tmp_path / "i.csv").write_text("item,in_stock,new\nx,True,true\ny,False,\nz,TRUE,false\n")
    ratings = recae.load(tmp_path / "r.csv", rating=False, items=tmp_path / "i.csv")
    model = recae.load_model(recae.make_model("popularity").fit(ratings).save(tmp_path / "m.recae"))
    for condition, kept in (("in_stock", [True, False, True]), ("new", [True, False, False])):
        kept_by = items_where(condition, model.ratings_.item_table, model.ratings_.item_ids)
        assert kept_by.tolist() == kept


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("curl") is None, reason="there is no bash, or no curl")
def test_the_walk_through_a_shop(tmp_path: Path) -> None:
    """At most 15 commands lead from two tables to a page; the files that they make hold what the page says."""
    commands = script().strip().splitlines()
    assert len(commands) <= 15
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | LIMITS | {"PORT": str(port)}
    environment["PATH"] = os.pathsep.join([str(warm()), str(tmp_path / "bin"), environment["PATH"]])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    ran = subprocess.run(
        ["bash", "-e", "-c", script()], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-3000:]
    shop = tmp_path / "shop"
    assert "150,000 purchases" in ran.stdout
    assert "<html" in (shop / "page.html").read_text()
    assert "## Evaluation" in (shop / "CARD.md").read_text()
    assert facts_of(shop / "lean.recae")["lean"]
    lists, model = pd.read_parquet(shop / "lists.parquet"), recae.load_model(shop / "m.recae")
    assert lists["user"].nunique() == model.ratings_.n_users
    table = model.ratings_.item_table
    assert table is not None
    assert table["in_stock"].loc[lists["item"]].all()
    assert not table["in_stock"].all()
    figures = facts_of(shop / "measured.recae")["training"]["figures"]
    simple = facts_of(shop / "measured.recae")["training"]["simple_model"]
    assert figures[simple["metric"]] > simple["value"]
