"""How Sphinx builds the site from what `stage.py` has laid out; `build.py` calls both."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from stage import EXTRA, SOURCE  # noqa: E402

project = "The TTA workbook"
author = "The TTA workbook's authors"
project_copyright = author
language = "en"
extensions = ["myst_nb", "sphinx_copybutton", "rendering"]
exclude_patterns = [EXTRA]
templates_path = [str(HERE / "templates")]
nitpicky = True

# Notebooks are shown as committed. Their panels need a kernel, so no script for them is loaded.
nb_execution_mode = "off"
nb_ipywidgets_js = {}
nb_render_markdown_format = "myst"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4  # GitHub's names for headings, as the links between the pages have them

html_theme = "pydata_sphinx_theme"
html_title = project
html_math_renderer = "mathml"
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_static_path = [str(HERE / "static")]
html_favicon = str(HERE / "static" / "favicon.svg")
html_css_files = ["site.css", "tryit.css"]
html_js_files = ["print.js"]
html_extra_path = [str(SOURCE / EXTRA)]
html_sidebars = {"**": ["tree.html"]}
html_context = {"default_mode": "auto"}
html_theme_options = {
    "logo": {"text": "TTA workbook"},
    "navbar_center": [],
    "search_bar_text": "Search this site",
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc", "notebook"],
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
copybutton_selector = "div.highlight pre"
copybutton_exclude = ".linenos, .gp, .go"
