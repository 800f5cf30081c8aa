"""What the README promises: a snippet that runs, a table of all notebooks, and to be short."""

import re

import numpy as np

from tta_helpers.workbook import place

README = (place.ROOT / "README.md").read_text(encoding="utf-8")


def test_the_snippet_runs_on_a_model_of_ones_own(linear, photos, tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    monkeypatch.chdir(tmp_path)
    exec(code, {"model": linear.model, "images": photos, "labels": np.arange(11) % 4})
    assert len(code.splitlines()) <= 12
    assert capsys.readouterr().out.count("PairedComparison(n=11") == 3
    assert (tmp_path / "with_tta.keras").is_file()


def test_the_table_lists_every_notebook():
    for path in place.lesson_paths():
        assert f"](notebooks/{path.name})" in README


def test_it_is_read_in_one_go():
    assert len(README.splitlines()) < 150
