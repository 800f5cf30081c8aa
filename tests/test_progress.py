"""The bar shows while it runs, and leaves nothing behind."""

from types import SimpleNamespace

import pytest

from tta_helpers import progress as module
from tta_helpers.progress import progress


@pytest.fixture
def notebook(monkeypatch):
    """Stands in for a kernel: what its outputs show, one list of texts an output."""
    outputs = []

    def display(data, raw, display_id):
        outputs.append([data["text/plain"]])
        return SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))

    shown, request = [], {"header": {"msg_id": "first"}}
    shell = SimpleNamespace(kernel=True, get_parent=lambda: request)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    monkeypatch.setattr("IPython.display.display", display)
    module._output_line.cache_clear()
    yield SimpleNamespace(outputs=outputs, shown=shown, request=request)
    module._output_line.cache_clear()


def test_a_notebooks_bar_starts_and_ends_empty(notebook):
    assert list(progress(range(3), desc="work")) == [0, 1, 2]
    assert notebook.outputs == [[""]]
    assert "work:   0%" in notebook.shown[0]
    assert notebook.shown[-1] == ""


def test_nested_bars_share_one_output_and_each_execution_has_its_own(notebook):
    for _ in progress(range(2), desc="outer"):
        list(progress(range(2), desc="inner"))
    assert len(notebook.outputs) == 1
    assert {text.split(":")[0] for text in notebook.shown} == {"outer", "inner", ""}
    notebook.request["header"]["msg_id"] = "second"
    list(progress(range(1)))
    assert len(notebook.outputs) == 2
    assert notebook.shown[-1] == ""


def test_outside_a_notebook_nothing_is_written_where_nobody_watches(capfd):
    bar = progress(total=2, desc="work")
    bar.update(2)
    bar.close()
    assert list(progress(range(3))) == [0, 1, 2]
    assert capfd.readouterr() == ("", "")
