"""The site: Sphinx with MyST. `make docs` builds it into build/site, offline, with warnings as errors."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_ext")]

project = "recae"
author = "The recae authors"
copyright = "The recae authors, MIT licence"
version = release = __import__("recae").__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "registered_models",
    "mathml",
    "plain_docstrings",
    "outside_links",
    "whole_figures",
]
exclude_patterns = ["_ext", "_static", "_templates"]
templates_path = ["_templates"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

myst_enable_extensions = ["dollarmath", "deflist", "attrs_block"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
suppress_warnings = ["myst.header"]  # parts of a page that a program writes may begin below the second level

autosummary_generate = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_use_ivar = True
napoleon_use_param = False  # parameters that are described together stay together
napoleon_custom_sections = [("Hyperparameters", "params_style")]
python_maximum_signature_line_length = 88
default_role = "code"

html_theme = "pydata_sphinx_theme"
html_title = f"recae {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_last_updated_fmt = None
html_sidebars = {"index": [], "start/index": []}  # the page of the start has no pages below it
html_theme_options = {
    "logo": {"text": "recae"},
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
