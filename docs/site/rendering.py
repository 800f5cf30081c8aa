"""Formulas as MathML, which needs no script, and pictures that wait until a reader is near."""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula that stands within a line."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def display(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula that stands alone."""
    translator.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def waiting(app: Sphinx, tree: nodes.document, name: str) -> None:
    """Have every picture of a page loaded only when a reader comes near it."""
    for picture in tree.findall(nodes.image):
        picture["loading"] = "lazy"


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the renderer "mathml" to `html_math_renderer`, and have pictures wait."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    app.connect("doctree-resolved", waiting)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
