"""How Sphinx builds this documentation; warnings are errors (`make docs`, `make check`)."""

from typing import Any

from sphinx.application import Sphinx

from tenure._version import __version__

project = "tenure"
author = "The tenure authors"
copyright = "2026, the tenure authors"  # noqa: A001  Sphinx reads this name
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True  # a reference that leads nowhere is an error
nitpick_ignore_regex = [
    # The standard library's and msgspec's documentation is not consulted: a build needs no network.
    (r"py:.*", r"(?!tenure).*"),
    # What only the signatures of classes that nobody makes by hand mention, and type variables.
    (r"py:class", r"tenure\.(body\.Body|keeper\..*|options\.\w+|handle\.\w+|fencing\.(marks|sql|http)\.\w+|.*\._\w+)"),
]

myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"

html_theme = "furo"
html_title = "tenure"


def setup(app: Sphinx) -> None:
    """What Sphinx calls first."""
    app.connect("doctree-read", _open_in_full)


def _open_in_full(_app: Sphinx, doctree: Any) -> None:
    """A picture is wider than the column of text: a click shows it alone, as Sphinx does where a width is given."""
    for picture in doctree.findall(lambda node: node.tagname == "image"):
        picture.setdefault("width", "100%")
