"""Formulas as MathML, without a script; pictures that wait for a reader; links of notebooks."""

import re
import struct
from pathlib import Path
from typing import Any

import elsewhere
from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

PICTURE = re.compile(r'<img [^>]*src="([^"]+)"[^>]*>')


def inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula that stands within a line."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def display(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula that stands alone."""
    translator.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def framed(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object) -> None:
    """Give every picture of a page its place, so that nothing jumps when it is loaded, late.

    The page's template also gets the links of a notebook to Colab, Binder and the repository.
    """
    context["elsewhere"] = elsewhere.links(elsewhere.repository(), page)
    files = {name: app.srcdir / path for path, name in app.builder.images.items()}

    def with_size(found: re.Match) -> str:
        width, height = png_size(files[found[1].rpartition("/")[2]])
        return found[0].replace("<img", f'<img loading="lazy" width="{width}" height="{height}"')

    context["body"] = PICTURE.sub(with_size, context.get("body", ""))


def png_size(path: Path) -> tuple[int, int]:
    """Return width and height of a PNG in pixels, as its header has them.

    Raises
    ------
    ValueError
        If it is none.
    """
    head = path.read_bytes()[:24]
    if not head.startswith(b"\x89PNG"):
        raise ValueError(f"{path.name} is no PNG; pictures of the site are.")
    return struct.unpack(">II", head[16:])


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the renderer "mathml" to `html_math_renderer`, and frame the pictures."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    app.connect("html-page-context", framed)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
