"""How sphinx-revealjs makes slides of what `decks.py` has laid out; `build.py` calls both."""

from pathlib import Path

project = "The TTA workbook"
language = "en"
extensions = ["myst_parser", "sphinx_revealjs"]
templates_path = [str(Path(__file__).resolve().parent)]
html_copy_source = False
html_use_index = False
revealjs_static_path = [str(Path(__file__).resolve().parent / "static")]
revealjs_style_theme = "deck.css"
revealjs_script_conf = {
    "width": 1280,
    "height": 720,
    "margin": 0,
    "center": False,
    "hash": True,
    "slideNumber": "c/t",
    "transition": "none",
}
revealjs_script_plugins = [{"src": "revealjs/plugin/notes/notes.js", "name": "RevealNotes"}]
