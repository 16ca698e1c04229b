"""Links of the pages to files of the repository beside docs/: the same link works in a checkout and on the site.

A folder or a file that is no page of the site is shown by its path, since nobody knows where the repository lies.
"""

from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).parents[2]
PAGES = {
    "ARCHITECTURE.md": "reference/architecture",
    "CHANGELOG.md": "reference/changelog",
    "CONTRIBUTING.md": "reference/contributing",
    "SECURITY.md": "reference/security",
    "README.md": "index",
    "benchmarks/README.md": "results/benchmarks",
    "benchmarks/limits.md": "results/limits",
}


class OutsideLinks(SphinxTransform):
    """Runs before references are resolved."""

    default_priority = 5

    def apply(self, **kwargs: object) -> None:
        del kwargs
        for node in [
            *self.document.findall(addnodes.download_reference),
            *self.document.findall(addnodes.pending_xref),
        ]:
            self._turn(node)

    def _turn(self, node: nodes.Element) -> None:
        target = str(node.get("reftarget", ""))
        if "://" in target or not target or node.get("reftype") != "myst":
            return
        if node.get("refdomain") == "doc":  # MyST takes any .md for a page of the site, and names it without its end
            target = str(Path(self.env.srcdir) / f"{target}.md")
        source = next((name for name, page in PAGES.items() if page == self.env.docname and page != "index"), None)
        own = ROOT / source if source else Path(self.env.doc2path(self.env.docname))
        path = (own.parent / target.split("#")[0]).resolve()
        if not path.exists() or not path.is_relative_to(ROOT):
            return
        name = path.relative_to(ROOT).as_posix()
        if name in PAGES:
            node.replace_self(self._to_page(PAGES[name], node))
        elif not path.is_relative_to(ROOT / "docs"):
            node.replace_self(nodes.literal("", name))
        elif source and path.suffix == ".md":
            node.replace_self(self._to_page(path.relative_to(ROOT / "docs").with_suffix("").as_posix(), node))

    def _to_page(self, page: str, node: nodes.Element) -> nodes.Element:
        link = addnodes.pending_xref(
            "", refdomain="std", reftype="doc", reftarget="/" + page, refexplicit=True, refdoc=self.env.docname,
            refwarn=True,
        )  # fmt: skip
        link += nodes.inline("", node.astext())
        return link


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_transform(OutsideLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
