"""Write the generated parts of README.md, docs/ and benchmarks/*.md from the JSON files in results/.

\b
    python -m benchmarks.pages             # writes the pages
    python -m benchmarks.pages --check     # writes nothing; exit code 1 where a page is not what the results say

A generated part stands between `<!-- begin generated: NAME -->` and `<!-- end generated: NAME -->`; the rest of a page
is written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import click

from benchmarks.common.paths import BENCHMARKS, DOCS, ROOT
from benchmarks.pages import (
    counts_page,
    demos_page,
    export_page,
    family_pages,
    figures_page,
    gpu_table,
    limits_page,
    linear_vs_mf_page,
    peers_page,
    protocols_page,
    ratings_page,
    readme_page,
    reranking_page,
    scale_page,
    serving_page,
    sessions_page,
    topn_page,
    training_page,
    which_model_page,
)
from benchmarks.pages.marks import changed_parts, current_parts, replace_parts

MODULES = (
    readme_page, figures_page, ratings_page, topn_page, linear_vs_mf_page, peers_page, scale_page, demos_page,
    limits_page, protocols_page, serving_page, reranking_page, sessions_page, training_page,
    which_model_page, export_page, gpu_table, counts_page,
)  # fmt: skip
WRITERS: dict[Path, Callable[[], dict[str, str]]] = {
    module.PAGE: module.parts for module in MODULES
} | family_pages.PAGES


def all_pages() -> list[Path]:
    """Every Markdown page that may have generated parts."""
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *BENCHMARKS.glob("*.md")])


def generate(pages: Iterable[Path], writers: Mapping[Path, Callable[[], dict[str, str]]]) -> dict[Path, str]:
    """Each page with its generated parts made anew.

    Raises:
        click.ClickException: a page's marks are not those of its parts, or a result file is missing; it names the page.
    """
    made = {}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        try:
            if page in writers or current_parts(text):
                made[page] = replace_parts(text, writers[page]() if page in writers else {})
        except click.ClickException as error:
            raise click.ClickException(f"{page.name}: {error.message}") from None
        except FileNotFoundError as error:
            raise click.ClickException(f"{page.name}: there is no {error.filename}") from None
    return made


@click.command(help=__doc__)
@click.option("--check", is_flag=True, help="Write nothing; name what differs.")
def main(check: bool) -> None:
    differing = []
    for page, after in generate(all_pages(), WRITERS).items():
        before = page.read_text(encoding="utf-8")
        if before == after:
            continue
        names = ", ".join(changed_parts(before, after)) or "blank lines beside the marks"
        differing.append(f"{page.relative_to(ROOT)}: {names}")
        if not check:
            page.write_text(after, encoding="utf-8")
    if check and differing:
        names = "\n".join(differing)
        raise click.ClickException(f"not what the results say; run python -m benchmarks.pages\n{names}")
    click.echo("\n".join(differing) or "every generated part is what the results say")


if __name__ == "__main__":
    main()
