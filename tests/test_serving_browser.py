"""The page in a real browser (Debian's chromium): search, rate, see the list change, reload; by keyboard alone, too."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import chromium
import pandas as pd
import pytest
from contract import FILMS, USERS, fitted, small
from contract import ratings as two_groups

pytest.importorskip("fastapi")
import uvicorn

from recae.serving.app import make_app
from recae.serving.model_holder import ModelHolder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"),
]

EVIL = '<img src=x onerror="window.broken=1"> & "quoted"'
LARGE = 2**60 + 1  # more than a number of JavaScript holds


class Served:
    """A server in a thread of this process, and its address."""

    def __init__(self, file: Path) -> None:
        self.holder, self.listening = ModelHolder(file), socket.create_server(("127.0.0.1", 0))
        app = make_app(self.holder, watch_seconds=0.05)
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listening]}, daemon=True)
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def __enter__(self) -> Served:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(30)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(fitted("i-autorec").save(tmp_path_factory.mktemp("page") / "m.recae")) as served:
        yield served


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium.browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that must not complain: no error of a script, nothing that cannot be fetched, nothing from elsewhere."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page, complaints = context.new_page(), []
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("request", lambda one: complaints.append(one.url) if "//127.0.0.1" not in one.url else None)
    yield page
    context.close()
    assert complaints == []


def titles(page: Any, of: str = "#list") -> list[str]:
    """What a list shows, once it is no longer busy."""
    page.wait_for_selector("#list:not([aria-busy])", state="attached")
    return list(page.locator(f"{of} .title").all_text_contents())


def add(page: Any, query: str) -> None:
    """Search, and take the first that is found, by keyboard."""
    page.fill("#item-search", query)
    page.wait_for_selector("#item-results [role=option]")
    page.keyboard.press("Enter")
    page.wait_for_selector(f'#rated .title:text("{query}")')


def expected(films: dict[str, float], n: int = 10) -> list[str]:
    """The library's list for these ratings, as titles."""
    frame = pd.DataFrame({"user": "me", "item": list(films), "rating": list(films.values())})
    return fitted("i-autorec").recommend_new(frame, n)["title"].tolist()


def soon(condition: Any) -> None:
    """Wait until it is so."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it does not become true"
        time.sleep(0.05)


def test_search_rate_see_the_list_change_and_reload(served: Served, page: Any) -> None:
    """The list is popular at first, then the library's for my stars; it says what numbers are and what my ratings add;
    a reload keeps my ratings."""
    page.goto(served.url)
    soon(lambda: titles(page) == fitted("i-autorec").recommend(["?"], 10, unknown="popular")["title"].tolist())
    assert page.locator("#number").inner_text() == "ratings"
    add(page, f"The {FILMS[0]}")
    soon(lambda: titles(page) == expected({FILMS[0]: 4.0}))
    assert page.locator("#number").inner_text() == "score"
    page.get_by_role("radio", name="1 of 5").check(force=True)
    soon(lambda: titles(page) == expected({FILMS[0]: 1.0}))
    add(page, f"The {FILMS[12]}")
    page.locator("#rated li").first.get_by_role("radio", name="5 of 5").check(force=True)
    mine = expected({FILMS[12]: 5.0, FILMS[0]: 1.0})
    soon(lambda: titles(page) == mine)
    page.wait_for_selector(".why:not([hidden])")
    added = page.locator(".why:not([hidden])").first.text_content()
    assert re.fullmatch(rf"your ratings add: The {FILMS[12]} \+[\d.]+(; The .* \+[\d.]+)?", added), added
    page.reload()
    soon(lambda: titles(page) == mine)
    assert titles(page, "#rated") == [f"The {FILMS[12]}", f"The {FILMS[0]}"]
    page.get_by_role("button", name=f"Remove The {FILMS[0]}").click()
    soon(lambda: titles(page) == expected({FILMS[12]: 5.0}))


def test_similar_items_known_users_and_conditions(served: Served, page: Any) -> None:
    """A dialog of similar items, from which one is rated; a known user's list; a condition, and one that is wrong."""
    page.goto(served.url)
    page.wait_for_selector("#list li")
    page.get_by_role("button", name=re.compile("^Similar to")).first.click()
    first = titles(page)[0].removeprefix("The ")
    similar = fitted("i-autorec").similar_items(first, 10)["title"].tolist()
    soon(lambda: titles(page, "#similar-list") == similar)
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="A known user").check()
    page.fill("#user-search", USERS[3][:4])
    page.wait_for_selector("#user-results [role=option]")
    page.keyboard.press("Enter")
    soon(lambda: titles(page) == fitted("i-autorec").recommend(USERS[3], 10)["title"].tolist())
    page.wait_for_selector(".why:not([hidden])")
    assert page.locator(".why:not([hidden])").first.text_content().startswith("their ratings add: ")
    page.get_by_text("Only some items").click()
    page.fill("#where", '"B" in title')
    page.keyboard.press("Enter")
    soon(lambda: titles(page) and all(title.startswith("The B") for title in titles(page)))


def test_everything_is_reached_by_keyboard(served: Served, page: Any) -> None:
    """Tab to the field, arrows in the list that it finds, Enter, arrows among the stars; and what a reader is told."""
    page.goto(served.url)
    page.wait_for_selector("#list li")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "item-search":
            break
    page.keyboard.type("the a")
    page.wait_for_selector("#item-results [role=option]")
    page.keyboard.press("ArrowDown")
    chosen = page.locator("#item-results [aria-selected=true]").text_content()
    assert page.get_attribute("#item-search", "aria-activedescendant") == "item-results-1"
    assert page.get_attribute("#item-search", "aria-expanded") == "true"
    page.keyboard.press("Enter")
    soon(lambda: titles(page, "#rated") == [chosen])
    assert page.get_attribute("#item-search", "aria-expanded") == "false"
    page.keyboard.press("ArrowRight")  # the focus is on the four stars
    soon(lambda: titles(page) == expected({chosen.removeprefix("The "): 5.0}))
    soon(lambda: "The list has 10 items; the first is" in page.text_content("[role=status]"))
    for role, names in {
        "combobox": ["Search an item and rate it", "Items"], "radio": ["Mine", "5 of 5"],
        "group": [f"Rating of {chosen}"],
        "button": [f"Remove {chosen}"], "heading": ["My list", "My ratings"], "list": ["My ratings"],
    }.items():  # fmt: skip
        for name in names:
            assert page.get_by_role(role, name=name, exact=True).count() == 1, (role, name)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_it_fits_phones_and_screens_in_light_and_dark(served: Served, browser: Any, width: int, scheme: str) -> None:
    """Nothing is wider than the window, text stands out from what is behind it (WCAG AA, 4.5); pictures on request."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.goto(served.url)
    page.wait_for_selector("#list li")
    add(page, f"The {FILMS[0]}")
    page.wait_for_selector(".why:not([hidden])")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for selector in ("#about", ".why:not([hidden])", ".title", "button", "a", ".score", "h1", ".hint"):
        assert page.evaluate(_CONTRAST, selector) >= 4.5, selector
    if folder := os.environ.get("RECAE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"page-{width}-{scheme}.png", full_page=True)
    page.goto(f"{served.url}/docs")
    page.wait_for_selector("section")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


_CONTRAST = """selector => {
  const part = (v) => v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(part);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = (element) => getComputedStyle(element), clear = /rgba\\(0, 0, 0, 0\\)|transparent/;
  const element = document.querySelector(selector);
  let behind = element;
  while (behind !== document.body && clear.test(style(behind).backgroundColor)) behind = behind.parentElement;
  const [a, b] = [light(style(element).color), light(style(behind).backgroundColor)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


def test_titles_are_texts_and_large_ids_stay_whole(tmp_path: Path, page: Any) -> None:
    """A title with markup is shown as it is and runs nothing; an id above 2^53 is the same in every request."""
    data = two_groups()
    ids = LARGE + data.item_index(data.item_ids)
    table = pd.DataFrame({"title": [f"{EVIL} {i}" for i in range(data.n_items)]}, index=ids)
    data = replace(data, item_ids=ids, item_table=table, name=EVIL, _cache={})
    with Served(small("ease").fit(data).save(tmp_path / "m.recae")) as served:
        page.goto(served.url)
        page.fill("#item-search", "quoted 3")
        page.wait_for_selector("#item-results [role=option]")
        page.keyboard.press("Enter")
        soon(lambda: titles(page, "#rated") == [f"{EVIL} 3"])
        page.wait_for_selector(".why:not([hidden])")
        assert EVIL in page.locator(".why:not([hidden])").first.text_content()
        assert page.evaluate("window.broken") is None
        assert page.locator("img").count() == 0
        page.get_by_role("button", name=re.compile("^Similar to")).first.click()
        page.wait_for_selector("#similar-list li")


def test_a_new_model_is_shown(tmp_path: Path, page: Any) -> None:
    """After a swap, the next list is the new model's, and so are the line that names it and the page's words."""
    file = fitted("i-autorec").save(tmp_path / "m.recae")
    with Served(file) as served:
        page.goto(served.url)
        page.wait_for_selector("#list li")
        assert page.text_content("#rated-title") == "My ratings"
        fitted("ease").save(file)
        soon(lambda: served.holder.current.card["model"] == "ease")
        add(page, f"The {FILMS[0]}")
        soon(lambda: page.text_content("#about").startswith("ease on two groups"))
        assert page.text_content("#rated-title") == "My items"  # a ranker gives no stars
        soon(
            lambda: (
                titles(page)
                == fitted("ease").recommend_new(pd.DataFrame({"user": ["me"], "item": FILMS[:1]}), 10)["title"].tolist()
            )
        )


def test_the_api_page_sends_what_is_written(served: Served, page: Any) -> None:
    """/docs has a form for each route; one that is sent shows the answer."""
    page.goto(f"{served.url}/docs")
    form = page.locator("section", has_text="/similar").first.locator("form")
    form.locator("textarea").fill(f'{{"item": "{FILMS[2]}", "n": 1}}')
    form.get_by_role("button", name="Send").click()
    soon(lambda: "fingerprint" in (form.locator("pre").text_content() or ""))
    assert page.locator("section").count() == 8
