"""Formulas as MathML, which browsers draw by themselves: no script, no font, nothing from elsewhere."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

_MIN_OF = re.compile(r"\\(min|max)_")  # in a formula by itself, what is minimised over stands below


def inline(writer: HTML5Translator, node: nodes.math) -> None:
    writer.body.append(f'<span class="math">{convert(node.astext())}</span>')
    raise nodes.SkipNode


def block(writer: HTML5Translator, node: nodes.math_block) -> None:
    number = f"<span>({get_node_equation_number(writer, node)})</span>" if node.get("number") else ""
    formula = convert(_MIN_OF.sub(r"\\\1\\limits_", node.astext()), display="block")
    writer.body.append(f'<div class="math">{formula}{number}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
