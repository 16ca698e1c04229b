"""The site: it is built without a warning, its links lead somewhere, and it needs nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import chromium
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium.browser() as browser:
        yield browser


@pytest.mark.slow
def test_search_finds_a_page(site: Path, browser: Any) -> None:
    """A word typed into the search of the first page, opened as a file, leads to the guide that explains it."""
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("Control+k")
    page.get_by_role("searchbox").last.fill("retraining")
    page.keyboard.press("Enter")
    found = page.locator("#search-results li a")
    found.first.wait_for()
    assert "New users without retraining" in [text.strip() for text in found.all_text_contents()][:5]
    found.get_by_text("New users without retraining", exact=True).first.click()
    assert page.locator("h1").text_content().startswith("New users without retraining")
    page.close()


WIDE = ["index", "which_model", "ratings", "topn", "serving", "scale", "guides/index", "guides/export", "family/linear"]


@pytest.mark.slow
def test_pages_fit_a_phone_and_wide_tables_move_within(site: Path, browser: Any) -> None:
    """At 360 pixels no page moves sideways; a table that is wider moves in its own box, and its first column stays."""
    page, moved = browser.new_page(viewport={"width": 360, "height": 740}), 0
    for name in WIDE:
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
        for box in page.locator(".pst-scrollable-table-container").all():
            if box.evaluate("box => box.scrollWidth - box.clientWidth") <= 40:
                continue
            first, last = box.locator("tbody tr").first.locator("td").all()[:: len(box.locator("th").all()) - 1][:2]
            before = [one.evaluate("one => one.getBoundingClientRect().left") for one in (first, last)]
            box.evaluate("box => { box.scrollLeft = 40 }")
            after = [one.evaluate("one => one.getBoundingClientRect().left") for one in (first, last)]
            assert after == pytest.approx([before[0], before[1] - 40], abs=1), name
            assert first.evaluate("one => one.getBoundingClientRect().width") < 200, name
            moved += 1
    page.close()
    assert moved > 5
