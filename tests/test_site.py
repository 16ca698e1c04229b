"""The site: it is built without a warning, its links lead somewhere, and it needs nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages."""
    pytest.importorskip("sphinx", reason="the extra `docs` is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", folder / "trees"]
    done = subprocess.run(
        [*command, ROOT / "docs", folder / "html"], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    """No script, style, font or picture of a page has an address of another machine."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)\b[^>]*\bsrc=\"([^\"]+)\"", text)
        loaded += re.findall(r"<link\b(?=[^>]*rel=\"(?:stylesheet|preload|icon)\")[^>]*\bhref=\"([^\"]+)\"", text)
        assert [address for address in loaded if re.match(r"(?:https?:)?//", address)] == [], page.name


@pytest.mark.slow
def test_links_between_pages_lead_somewhere(site: Path) -> None:
    """Every relative link and every anchor of a written page is there."""
    anchors = {
        page: set(re.findall(r"\bid=\"([^\"]+)\"", page.read_text(encoding="utf-8"))) for page in site.rglob("*.html")
    }
    for page in anchors:
        for address in re.findall(r"<a\b[^>]*\bhref=\"([^\"]+)\"", page.read_text(encoding="utf-8")):
            if re.match(r"\w+:|//", address):
                continue
            name, _, anchor = unquote(address).partition("#")
            target = (page.parent / name).resolve() if name else page
            assert target.exists(), f"{page.name} links to {address}"
            if anchor and target in anchors:
                assert anchor in anchors[target], f"{page.name} links to {address}"


@pytest.mark.slow
def test_formulas_are_mathml_and_search_has_an_index(site: Path) -> None:
    """A formula is drawn by the browser itself; a word of a guide is in the index of the search."""
    page = (site / "family" / "linear.html").read_text(encoding="utf-8")
    assert page.count("<math ") > 20
    assert "newcom" in (site / "searchindex.js").read_text(encoding="utf-8")
