"""A figure with its unit or its interval, such as `137 s` or `0.8281 ± 0.0025`, stays on one line of a table's cell."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_ONE = r"(?:[<≤≥±~]=? ?)?[-+]?\d[\d,.]*(?:e-?\d+)?(?: ?(?:s|ms|µs|ns|h|%|[kKMG]i?B|GB/s|GFLOP/s))?"
_FIGURE = re.compile(rf"{_ONE}(?: [±/] {_ONE})?(?: ?\(.{{1,8}}\))?")


class WholeFigures(SphinxTransform):
    """Blanks in cells that hold nothing but a figure become blanks that do not break."""

    default_priority = 850

    def apply(self, **kwargs: object) -> None:
        del kwargs
        for cell in self.document.findall(nodes.entry):
            if len(cell.astext()) < 24 and _FIGURE.fullmatch(cell.astext().strip()):
                for text in list(cell.findall(nodes.Text)):
                    text.parent.replace(text, nodes.Text(text.replace(" ", "\N{NO-BREAK SPACE}")))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_transform(WholeFigures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
