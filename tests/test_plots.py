"""Figures show what they were given, where it belongs."""

import html
import io
import itertools
import time
import warnings
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib import font_manager
from nbconvert.filters import markdown2html

from tta_helpers import metrics, plots
from tta_helpers.plots.text import font_with

RC = Path(__file__).parent.parent / "notebooks" / "matplotlibrc"


def texts(axis):
    return [(t.get_position(), t.get_text()) for t in axis.texts]


def drawn(figure):
    """Draw a figure whole; whatever matplotlib warns of is an error. Return its pixels' number."""
    with warnings.catch_warnings(), io.BytesIO() as file:
        warnings.simplefilter("error")
        figure.savefig(file, dpi=50)
        return file.tell()


@pytest.fixture(autouse=True)
def notebooks_look():
    with matplotlib.rc_context(fname=RC), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def few_fonts(monkeypatch):
    """Only the fonts that matplotlib brings, on every machine."""
    brought = [f for f in font_manager.fontManager.ttflist if "mpl-data" in f.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", brought)
    font_with.cache_clear()
    yield
    font_with.cache_clear()


def test_points_and_table():
    labels = np.zeros(200, int)
    before = np.tile([0.4, 0.6], (200, 1))
    before[:120] = [0.6, 0.4]
    after = before.copy()
    after[120:126] = [0.9, 0.1]
    change = metrics.compare(labels, before, after)
    # 6/202 and 1.96 times the root of (8/202 - (6/202)²) / 202
    assert plots.points(change) == "+3.00 [+0.26, +5.68]"
    assert plots.points((-0.00001, -0.01, 0.0)) == "+0.00 [-1.00, +0.00]"
    markdown = plots.table(["a", "b"], [["x", 0.51234], [3, "y"]]).data
    assert markdown == "| a | b |\n| --- | --- |\n| x | 0.5123 |\n| 3 | y |"


NAMES = [
    "$$",
    "$a$",
    r"$\frac$",
    "_",
    "_a_",
    "\\",
    "a\\|",
    "%",
    "#",
    "<b>x",
    "&amp;",
    "a|b",
    "_",
    "犬 $5",
]


class Cells(HTMLParser):
    """Collects what the cells of a table show."""

    def __init__(self, text):
        super().__init__()
        self.cells = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        assert tag in ("table", "thead", "tbody", "tr", "th", "td"), tag
        if tag in ("th", "td"):
            self.cells.append("")

    def handle_data(self, data):
        if data.strip():
            self.cells[-1] += data


def test_table_shows_names_as_they_are():
    """Rendered by nbconvert, whose cells are then read back; MathJax takes \\$ for a dollar."""
    markdown = plots.table(NAMES, [NAMES, [np.float32(0.25)] * len(NAMES)]).data
    cells = Cells(markdown2html(markdown)).cells
    expected = NAMES + NAMES + ["0.2500"] * len(NAMES)
    assert [cell.replace("\\$", "$") for cell in cells] == expected
    assert markdown.count("$") == markdown.count("\\$") == 2 * 7


def test_table_keeps_markup_lines_and_broken_bytes_in_their_place():
    rows = [["**bold**", "*italic*", "two\nlines", "caf\udce9", "gaussian_noise"]]
    line = plots.table([""] * 5, rows).data.splitlines()[2]
    assert line == r"| **bold** | *italic* | two lines | caf\\udce9 | gaussian_noise |"
    assert html.unescape(line).encode()


def test_image_grid_keeps_order_and_leaves_empty_places_empty():
    images = (np.arange(5)[:, None, None, None] * np.ones((1, 18, 9, 3)) / 5).astype("float32")
    figure = plots.image_grid(images, list("abcde"), columns=3, row_labels=["p", "q"], note="n = 5")
    axis, found = figure.axes[0], {}
    grid = np.asarray(axis.images[0].get_array())
    for (x, y), title in texts(axis):
        column, row = round(x), round(y)
        found[title] = grid[row + 2 : row + 18, column - 3 : column + 4]
    assert list(found) == list("abcde")
    for k, tile in enumerate(found.values()):
        np.testing.assert_allclose(tile, k / 5)
    assert grid.shape[1] == 3 * 9 + 2 and (grid[-18:, -9:] == 1).all()
    assert [label.get_text() for label in axis.get_yticklabels()] == ["p", "q"]
    for middle, value in zip(axis.get_yticks(), (0, 3 / 5), strict=True):
        np.testing.assert_allclose(grid[round(middle) - 8 : round(middle) + 8, :9], value)
    assert figure.get_supxlabel() == "n = 5"


def test_image_grid_has_the_size_that_is_asked_for():
    """Widths of one row of four images, less what stands around them, go with the side."""
    images = np.zeros((4, 32, 32, 3))
    small, large = (plots.image_grid(images, columns=4, side=side) for side in (1.5, 3))
    width, height = large.get_size_inches() - small.get_size_inches()
    assert 4 * 1.5 < width < 4 * 1.7 and 1.5 < height < 1.7


def test_gains_are_named_after_what_they_gain():
    change = {"flip": (0.01, 0.0, 0.02)}
    for given, shown in (({}, "gain in accuracy"), ({"x_name": "points of IoU"}, "points of IoU")):
        assert plots.gains(change, **given).axes[0].get_xlabel().startswith(shown)


@pytest.mark.parametrize("label", ["b", "gaussian noise", "one that is far longer than the others"])
def test_row_labels_lie_within_the_figure(label):
    labels = [label, "b", "c", "d"]
    figure = plots.image_grid(np.zeros((20, 32, 32, 3)), columns=5, row_labels=labels, note="n")
    figure.savefig(io.BytesIO(), dpi=100)
    ends = [text.get_window_extent().x0 for text in figure.axes[0].get_yticklabels()]
    assert min(ends) >= 0


@pytest.mark.parametrize("shape", [(7, 64, 40, 1), (3, 40, 64, 3), (1, 1, 1, 3), (4, 900, 700, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16"])
def test_image_grid_takes_any_images(shape, dtype, caplog):
    images = np.random.default_rng(0).random(shape) * (255 if dtype == "uint8" else 1.0001)
    figure = plots.image_grid(images.astype(dtype), columns=2)
    width, height = figure.get_size_inches()
    assert drawn(figure) and 0 < width < 5 and 0 < height < 6
    assert not caplog.records  # matplotlib tells of values outside [0, 1] in its log
    assert max(figure.axes[0].images[0].get_array().shape) < 700  # no finer than can be seen


@pytest.mark.parametrize("images", [[], np.zeros((0, 4, 4, 3))])
def test_image_grid_of_nothing(images):
    assert drawn(plots.image_grid(images, [], row_labels=["fixed\n(of 0)"], note="n = 0"))


def test_image_grid_of_many_rows_is_quick():
    """One picture, not one set of axes each: those took minutes."""
    images = np.random.default_rng(0).integers(0, 255, (1000, 32, 32, 3), "uint8")
    start = time.process_time()
    figure = plots.image_grid(images, columns=10, row_labels=[f"class {k}" for k in range(100)])
    assert drawn(figure) and time.process_time() - start < 4  # 1 second on an idle machine
    assert len(figure.axes) == len(figure.axes[0].images) == 1
    assert max(plots.image_grid(images, columns=1).get_size_inches()) < 2**16 / 100


@pytest.mark.parametrize("n_classes", [2, 3, 100])
def test_both_views_take_any_number_of_classes(n_classes):
    names = [f"class {k}" for k in range(n_classes)]
    probs = np.full((2, 1, n_classes), 1 / n_classes)
    figure = plots.both_views(np.zeros((1, 5, 9, 1)), probs, [1], names)
    assert drawn(figure) and len(figure.axes[2].get_yticklabels()) == min(n_classes, 3)


def test_matrix_writes_values_in_their_cells():
    values = np.array([[1.0, -2.0, np.nan], [3.0, 0.5, 0.0]])
    figure = plots.matrix(values, ["r", "s"], ["x", "y", "z"], form="{:+.1f}", diverging=True)
    assert texts(figure.axes[0]) == [
        ((0, 0), "+1.0"),
        ((1, 0), "-2.0"),
        ((0, 1), "+3.0"),
        ((1, 1), "+0.5"),
        ((2, 1), "+0.0"),
    ]
    picture = figure.axes[0].images[0]
    assert (picture.norm.vmin, picture.norm.vmax) == (-3, 3)


@pytest.mark.parametrize(
    "values",
    [
        np.full((3, 2), np.nan),
        np.full((1, 2), 5.0),
        np.zeros((1, 1)),
        [[np.inf, 1.0, -np.inf]],
        np.zeros((0, 3)),
    ],
)
@pytest.mark.parametrize("diverging", [False, True])
def test_matrix_of_values_that_span_nothing(values, diverging):
    rows, columns = ([f"${k}$" for k in range(n)] for n in np.shape(values))
    figure = plots.matrix(values, rows, columns, diverging=diverging)
    assert drawn(figure) and len(texts(figure.axes[0])) == np.isfinite(values).sum()


def test_matrix_of_a_hundred_classes_is_readable():
    names = [f"class {k}" for k in range(100)]
    figure = plots.matrix(np.random.default_rng(0).random((100, 100)), names, names)
    axis = figure.axes[0]
    assert not texts(axis) and max(figure.get_size_inches()) < 14
    for ticks in (axis.get_xticks(), axis.get_yticks()):
        assert ticks[0] == 0 and 20 <= len(ticks) <= 41
    shown = {round(t.get_position()[1]): t.get_text() for t in axis.get_yticklabels()}
    assert drawn(figure) and all(label == names[k] for k, label in shown.items())


def test_gains_are_coloured_by_the_p_value_or_the_interval():
    def change(gain, low, high, p=1.0):
        return metrics.PairedComparison(100, 0.5, 0.5 + gain, gain, low, high, 1, 1, p)

    up, adjusted = change(0.02, 0.01, 0.03, 0.01), change(0.02, 0.01, 0.03, 0.1)
    even = change(0.0, -0.01, 0.01)
    figure = plots.gains(
        {"up": up, "even": even, "adjusted": adjusted, "plain": (0.02, 0.01, 0.03)}
    )
    axis = figure.axes[0]
    ends = [list(axis.lines[k].get_xdata()) for k in (0, 2)]
    np.testing.assert_allclose(ends, [[1, 3], [-1, 1]])
    colours = [axis.lines[k].get_color() for k in (0, 2, 4, 6)]
    assert colours[0] == colours[3] != colours[1] == colours[2]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == ["up", "even", "adjusted", "plain"]


def test_training_curves():
    histories = {
        "one": {"accuracy": [0.1, 0.3], "val_accuracy": [0.2, 0.25]},
        "long": {"accuracy": np.linspace(0, 1, 300), "val_accuracy": np.zeros(300)},
    }
    figure = plots.training_curves(histories)
    left, right = figure.axes
    assert left.lines[1].get_xydata().tolist() == [[1, 20], [2, 25]]
    assert left.get_title() == "one: validation ends at 25 %"
    ticks = right.get_xticks()
    assert drawn(figure) and len(ticks) < 15 and (ticks == ticks.round()).all()


def test_class_counts_are_sorted_and_the_title_tells_their_range():
    answers = {"even": np.array([0, 1, 1, 2]), "leaning": np.array([2, 2, 2, 2])}
    figure = plots.class_counts(answers, ["a", "b", "c"], even=4 / 3)
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "c", "b"]
    assert axis.lines[1].get_xydata().tolist() == [[0, 0], [4, 1], [0, 2]]
    assert axis.get_title("left") == "Times named: even 1 to 2; leaning 0 to 4"
    many = plots.class_counts({"x": np.arange(100)}, [f"c{k}" for k in range(100)], even=1)
    assert drawn(many) and len(many.axes[0].get_yticklabels()) == 30


def test_bars_and_lines():
    axis = plots.bars({"0/2": 0.25, "1/2": 0.5, "2/2": 0.25}, marked={"0/2"}, title="t").axes[0]
    assert [bar.get_height() for bar in axis.patches] == [0.25, 0.5, 0.25]
    colours = [bar.get_facecolor() for bar in axis.patches]
    assert colours[0] != colours[1] == colours[2]
    axis = plots.bars({"a": 1, "b": 2}, dots={"_counted": [3, 4]}).axes[0]
    assert axis.lines[0].get_xydata().tolist() == [[0, 3], [1, 4]]
    assert [t.get_text() for t in axis.legend_.get_texts()] == ["_counted"]
    curves = {"_band": ([1, 2], [0, 1], [2, 3]), "plain": [3, 4]}
    figure = plots.lines([1, 10], curves, x_name="x", y_name="y", levels={"l": 5}, log=True)
    axis = figure.axes[0]
    assert [t.get_text() for t in axis.legend_.get_texts()] == ["_band", "plain", "l"]
    assert axis.collections[0].get_paths()[0].vertices[:, 1].max() == 3
    assert drawn(figure) and [t.get_text() for t in axis.get_xticklabels()] == ["1", "10"]


def paired(before, after, low, high):
    gain = after - before
    return metrics.PairedComparison(100, before, after, gain, low, high, 9, 2, 0.01)


def test_slopes_keep_labels_apart():
    close = {f"n{k}": paired(0.5 + k / 1e4, 0.52, 0.01, 0.03) for k in range(4)}
    figure = plots.slopes(close | {"down": paired(0.6, 0.5, -0.2, -0.05)}, title="t")
    axis = figure.axes[0]
    assert axis.lines[0].get_ydata().tolist() == [50, 52]
    assert axis.lines[0].get_color() != axis.lines[-1].get_color()
    assert drawn(figure)
    said = [text.get_text() for text in axis.texts]
    assert said[:3] == ["50.0 %", "60.0 %", "52.0 %  n0"]  # equal starts once; names at the ends
    boxes = [text.get_window_extent() for text in axis.texts]
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[k + 1 :]), axis.texts[k].get_text()


def test_margins_count_the_four_cases():
    labels = np.array([0, 0, 0, 0, 1])
    first = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.1, 0.9], [0.5, 0.5]])
    second = np.array([[0.7, 0.3], [0.1, 0.9], [0.9, 0.1], [0.3, 0.7], [0.4, 0.6]])
    np.testing.assert_allclose(plots.margin(labels, first), [0.8, 0.6, -0.2, -0.8, 0])
    figure = plots.margins(labels, first, second)
    said = [text.get_text() for text in figure.axes[0].texts]
    counts = {"both right": 1, "only the mirror right": 2, "only the original right": 1}
    assert said == [f"{case}: {n}" for case, n in {**counts, "both wrong": 1}.items()]
    assert figure.axes[0].get_title("left") == "The average repairs 2 images and breaks 1"
    assert drawn(figure)


def test_both_views_show_each_image_its_mirror_and_three_bars_a_class():
    images = np.random.default_rng(0).random((3, 4, 6, 3))
    probs = np.random.default_rng(1).dirichlet(np.ones(5), (2, 3))
    figure = plots.both_views(images, probs, [0, 1, 2], list("abcde"), title="t")
    first, mirror, bars = figure.axes[:3]
    np.testing.assert_allclose(first.images[0].get_array()[:, ::-1], mirror.images[0].get_array())
    widths = np.array([bar.get_width() for bar in bars.patches]).reshape(3, 3)
    shown = ["abcde".index(label.get_text()) for label in bars.get_yticklabels()]
    np.testing.assert_allclose(widths, [*probs[:, 0, shown], probs[:, 0, shown].mean(axis=0)])
    assert drawn(figure) and len(figure.axes) == 9
    figure = plots.both_views(images[:0], probs[:, :0], [], list("abcde"))
    assert drawn(figure) and figure.axes[0].texts[0].get_text() == "no such image"


def test_dumbbells_join_two_values():
    figure = plots.dumbbells({"a": (1, 2), "b": (3, -1)}, ends=("from", "to"), x_name="x")
    dots = [line.get_xdata().tolist() for line in figure.axes[0].lines[:2]]
    assert dots == [[1, 3], [2, -1]] and drawn(figure)
    drawn(plots.dumbbells({}, ends=("from", "to"), x_name="x"))


@pytest.mark.parametrize("n_views", [1, 2, 5])
def test_the_pipeline_shows_every_view_and_its_answer(n_views):
    views = np.random.default_rng(0).random((n_views, 4, 4, 3))
    probs = np.random.default_rng(1).dirichlet(np.ones(7), n_views)
    figure = plots.pipeline(views, [f"v{k}" for k in range(n_views)], probs, list("abcdefg"))
    last = figure.axes[2]
    classes = ["abcdefg".index(label.get_text()) for label in last.get_yticklabels()]
    widths = [bar.get_width() for bar in last.patches]
    np.testing.assert_allclose(widths, np.sort(probs.mean(axis=0))[::-1][:3])
    np.testing.assert_allclose(widths, probs.mean(axis=0)[classes])
    shown = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    np.testing.assert_allclose(shown, [views[0], *views])
    assert drawn(figure) and drawn(plots.pipeline(views, ["v"] * n_views))
    titles = [axis.get_title() for axis in figure.axes]
    assert titles.count("probabilities") == 1 and last.get_xticks().tolist() == [0, 1]
    figure = plots.pipeline(views, ["v"] * n_views, probs, list("abcdefg"), label=classes[1])
    inks = [label.get_color() for label in figure.axes[2].get_yticklabels()]
    assert inks == ["black", "C0", "black"]


def test_compared_and_answers():
    table = plots.compared({"flip": paired(0.5, 0.525, 0.01, 0.04)})
    assert table.data.splitlines()[-1] == (
        "| flip | 50.00 % | 52.50 % | +2.50 [+1.00, +4.00] | 9 | 2 | 0.01 |"
    )
    adjusted = plots.compared({}, p_name="p, after Holm").data
    assert adjusted.splitlines()[0].endswith("| broken | p, after Holm |")
    assert "| 12,345 |" in plots.table(["n"], [[12345]]).data
    code = plots.table(["v"], [["`shift_-1_-1`"], ["_a_ `b|c`"]]).data.splitlines()[2:]
    assert code == ["| `shift_-1_-1` |", r"| \_a\_ `b\|c` |"]
    folded = markdown2html(plots.answer("**Six** of ten.").data)
    assert "<details>" in folded and "<strong>Six</strong>" in folded


def test_figures_of_nothing_are_drawn():
    none = np.zeros((0, 3))
    drawn(plots.gains({}))
    drawn(plots.gains({"a": (np.nan,) * 3}))
    drawn(plots.followed([], none, none, none.astype(bool), [], []))
    drawn(plots.by_budget({}))
    drawn(plots.by_budget({"1 pass": {}}))
    drawn(plots.reliability_diagrams({}))
    drawn(plots.reliability_diagrams({"a": {}}))


@pytest.mark.parametrize("n_classes", [1, 2, 12, 100])
def test_explained_shows_the_likeliest_classes_and_the_right_one(n_classes):
    probs = np.tile(np.linspace(2, 1, n_classes), (3, 1)) / np.linspace(2, 1, n_classes).sum()
    names = [f"c{k}" for k in range(n_classes)]
    weights, views = np.array([0.5, 0.5, 0]), ["flip left right", "b", "c"]
    right = n_classes - 1
    figure = plots.explained(np.zeros((3, 4, 6, 1)), views, probs, weights, names, right)
    outcome = figure.axes[-1]
    labels = [label.get_text() for label in outcome.get_xticklabels()]
    expected = names if n_classes <= 12 else [*names[:11], names[99]]
    assert drawn(figure) and labels == expected
    heights = [bar.get_height() for bar in outcome.patches]
    np.testing.assert_allclose(heights, probs[0, [names.index(label) for label in expected]])
    assert [bar.get_facecolor()[:3] for bar in outcome.patches].count(
        matplotlib.colors.to_rgb("C0")
    ) == 1


# Names


def test_names_stay_as_they_are_in_every_figure():
    """No mathematics: matplotlib would set $a$ in italics and stop at $$."""
    change = metrics.PairedComparison(100, 0.5, 0.6, 0.1, 0.05, 0.15, 12, 2, 0.01)
    names, n = NAMES[:-1], len(NAMES) - 1
    views, probs = np.zeros((n, 4, 4, 3)), np.eye(n)
    bins = {"confidence": [0.5], "accuracy": [0.5]}
    for name, figure in {
        "image_grid": plots.image_grid(views, names, columns=n, row_labels=[names[0]], note="$a$"),
        "matrix": plots.matrix(probs, names, names, value_name="$a$"),
        "gains": plots.gains({name: change for name in names}),
        "both_views": plots.both_views(views[:1], probs[:2, None], [0], names, top=n),
        "pipeline": plots.pipeline(views, names, probs, names, top=n),
        "dumbbells": plots.dumbbells({n: (0, 1) for n in names}, ends=("a", "b"), x_name="$x$"),
        "bars": plots.bars({name: 1.0 for name in names}),
        "class_counts": plots.class_counts({"a": np.arange(n)}, names, even=1),
        "explained": plots.explained(views, names, probs, np.ones(n) / n, names, 0, top=n),
        "reliability": plots.reliability_diagrams({"$$": {name: bins for name in names}}),
    }.items():
        assert drawn(figure)
        found = [t for t in figure.findobj(matplotlib.text.Text) if t.get_text()]
        assert {*names} <= {t.get_text().split("\n")[0] for t in found}, name
        assert not any(t.get_parse_math() for t in found if t.get_text() in names)


def test_names_in_slopes_are_no_mathematics():
    change = metrics.PairedComparison(100, 0.5, 0.6, 0.1, 0.05, 0.15, 12, 2, 0.01)
    figure = plots.slopes({name: change for name in NAMES[:-1]})
    assert drawn(figure) and not any(t.get_parse_math() for t in figure.axes[0].texts)


def test_powers_of_ten_stay_mathematics():
    figure, axis = matplotlib.pyplot.subplots()
    axis.plot([1, 1000], [1, 2], label="$a$")
    axis.set(xscale="log", title="$b$")
    axis.legend()
    assert drawn(plots.noted(figure, ""))
    labels = [label for label in axis.get_xticklabels() if label.get_text()]
    assert labels and all("mathdefault" in t.get_text() and t.get_parse_math() for t in labels)
    assert not axis.title.get_parse_math() and not axis.legend_.get_texts()[0].get_parse_math()


def test_signs_without_a_font_are_spelled_out(few_fonts, caplog):
    """A syllable by its sound, an emoji by its name, an ideograph by its number."""
    for name, expected in {
        "사진": "sajin",
        "犬": "[U+72AC]",
        "🐶 dog": "(dog face) dog",
        "👨\u200d👩": "(man)(woman)",
        "ñ ß – →": "ñ ß – →",
        "a\tb\r": "a b ",
        "caf\udce9": r"caf\udce9",
        "two\nlines": "two\nlines",
    }.items():
        assert plots.spelled(name) == plots.spelled(plots.spelled(name)) == expected
        figure = plots.image_grid(np.zeros((1, 4, 4, 3)), [name], columns=1, row_labels=[name])
        assert drawn(figure) and texts(figure.axes[0])[0][1] == expected
        assert figure.axes[0].get_yticklabels()[0].get_text() == expected
    figure, axis = matplotlib.pyplot.subplots()
    axis.bar(["사", "$b"], [1, 2])  # a notebook's own, with names as categories
    assert drawn(plots.noted(figure, "犬"))
    assert [label.get_text() for label in axis.get_xticklabels()] == ["sa", "$b"]
    assert figure.get_supxlabel() == "[U+72AC]" and not caplog.records


def test_signs_of_another_installed_font_are_drawn_with_it(few_fonts, caplog):
    figure = plots.gains({"Ⓐ": (0, -1, 1)})  # DejaVu Sans lacks it, STIX has it
    label = figure.axes[0].get_yticklabels()[0]
    assert label.get_text() == "Ⓐ" and label.get_fontfamily()[-1] == "STIXGeneral"
    assert drawn(figure) and not caplog.records


def test_long_names_are_cut():
    name = "supercalifragilistic" * 5
    figure = plots.matrix(np.eye(2), [name, "b"], ["c", name])
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert shown == [name[:47] + "…", "b"]
    composed = ["despeckle + sharpness 0.5", "despeckle + auto + sharpness 0.5", name]  # not alike
    figure = plots.matrix(np.eye(3), ["a", "b", "c"], composed)
    shown = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert shown == [*composed[:2], name[:31] + "…"]
    figure = plots.gains({name: (0, -1, 1)})
    assert figure.axes[0].get_yticklabels()[0].get_text() == name[:47] + "…"
    figure = plots.image_grid(np.zeros((1, 4, 4, 3)), [f"{name}\nb"], columns=1)
    assert drawn(figure) and texts(figure.axes[0])[0][1] == name[:15] + "…\nb"


def test_gains_take_plain_intervals_too():
    figure = plots.gains({"fog": (0.07, 0.04, 0.1), "snow": (-0.01, -0.02, 0.0)})
    lines = [line.get_xdata() for line in figure.axes[0].lines[:2]]
    np.testing.assert_allclose(lines[0], [4, 10])
    np.testing.assert_allclose(lines[1], [7])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["fog", "snow"]


def test_titles_may_stand_over_the_first_row_alone():
    figure = plots.image_grid(np.zeros((4, 18, 18, 3)), ["a", "b"], columns=2)
    grid, shown = figure.axes[0].images[0].get_array(), texts(figure.axes[0])
    assert [title for _, title in shown] == ["a", "b"] and all(y < 10 for (_, y), _ in shown)
    below = np.flatnonzero((grid[:, 0] == 0).all(axis=-1))
    assert below[-1] - below[0] == 2 * 18  # a gap of one, no room for titles between the rows


def test_followed_puts_every_view_where_its_score_and_loss_are():
    image, chosen = np.zeros((2, 2, 3)), np.ones((2, 2, 3))
    scores, losses = np.array([[0.1, 0.2, 0.3]]), np.array([[3.0, 1.0, 2.0]])
    right = np.array([[False, True, False]])
    figure = plots.followed([(image, chosen)], scores, losses, right, [1], ["fixed: cat"], "n = 1")
    left, middle, last = figure.axes
    dots = {c.get_label(): c.get_offsets().tolist() for c in middle.collections}
    assert dots == {
        "the target is right": [[0.2, 1.0]],
        "the target is wrong": [[0.1, 3.0], [0.3, 2.0]],
        "chosen": [[0.2, 1.0]],
    }
    assert (left.images[0].get_array().max(), last.images[0].get_array().min()) == (0, 1)
    assert middle.get_title() == "fixed: cat"


def test_colours_end_at_the_limit():
    figure = plots.matrix([[-14, 2]], ["r"], ["x", "y"], diverging=True, limit=3)
    assert figure.axes[0].images[0].get_clim() == (-3, 3) and drawn(figure)
    assert [text for _, text in texts(figure.axes[0])] == ["-14", "2"]


def test_a_matrix_of_one_column_has_room_for_its_names():
    names = [f"brightness up to {k}0%" for k in range(14)]
    figure = plots.matrix(np.zeros((14, 1)), names, ["1"], value_name="gain", title="t" * 30)
    assert drawn(figure) and figure.axes[0].get_window_extent().width > 20


def test_a_matrix_has_room_for_long_names_of_rows():
    name = "mirrored, held-out corruptions: predictor, k = 2"
    figure = plots.matrix(np.zeros((6, 2)), [name] * 6, ["cat", "dog"], value_name="gain")
    axis = figure.axes[0]
    assert drawn(figure) and axis.get_window_extent().width > 40
    assert [label.get_text() for label in axis.get_yticklabels()] == [name] * 6


def test_a_curve_of_one_place_is_seen():
    figure = plots.lines([50], {"a": [1], "b": ([1], [0], [2])}, x_name="x", y_name="y")
    assert [line.get_marker() for line in figure.axes[0].lines] == ["o", "o"] and drawn(figure)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("n", [3, 18])
def test_crowded_places_share_ticks_that_can_be_read(n, log):
    x = np.r_[0.1 + 0.0123456 * np.arange(n) ** 1.5, 12.345678]
    figure = plots.lines(x, {"a": x}, x_name="x", y_name="y", log=log)
    axis = figure.axes[0]
    figure.canvas.draw()
    labels = [t for t in axis.get_xticklabels() if t.get_text() and t.get_visible()]
    low, high = axis.get_xlim()
    shown = [t.get_window_extent() for t in labels if low <= t.get_position()[0] <= high]
    assert len(shown) >= 2
    assert all(not one.overlaps(other) for one, other in itertools.pairwise(shown))


def test_by_budget_shows_each_policy_in_its_panel():
    up, down = paired(0.5, 0.52, 0.01, 0.03), paired(0.6, 0.57, -0.05, -0.01)
    panels = {"1 pass": {"weights": (0.01, -0.01, 0.03)}, "2 passes": {"flip": up, "crop": down}}
    figure = plots.by_budget(panels, marked={"2 passes": "flip"}, title="t", note="n")
    assert drawn(figure) and [axis.get_title("left") for axis in figure.axes] == [*panels]
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    for axis, changes in zip(figure.axes, panels.values(), strict=True):
        assert [label.get_text() for label in axis.get_yticklabels()] == [*changes]
    dots = [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    assert [dot.get_ydata()[0] for dot in dots] == [0, 1]
    np.testing.assert_allclose([dot.get_xdata()[0] for dot in dots], [2, -3])
    assert [dot.get_color() for dot in dots] == ["C0", "C1"]
    assert figure.axes[0].lines[1].get_color() == "#666666"
    bold = [[label.get_fontweight() for label in axis.get_yticklabels()] for axis in figure.axes]
    assert bold == [["normal"], ["bold", "normal"]]


def test_dumbbells_part_groups():
    pairs = {"a": (1, 2), "b": (1, 2), "c": (1, 2)}
    figure = plots.dumbbells(pairs, ends=("from", "to"), x_name="x", groups=["g", "g", "h"])
    heights = [line.get_ydata()[0] for line in figure.axes[0].lines[3:]]
    assert heights == [1.5] and drawn(figure)
    [legend] = figure.legends  # beside the rows, where no dot can lie behind it
    assert legend.get_window_extent().y0 >= figure.axes[0].get_window_extent().y1


def test_gain_for_cost_names_every_policy_apart():
    close = {f"policy {k}": (5 + k / 100, paired(0.5, 0.52, 0.01, 0.03)) for k in range(4)}
    groups = {"fixed": close, "random": {"far": (40, paired(0.5, 0.49, -0.03, 0.01))}}
    figure = plots.gain_for_cost(groups, x_name="passes", title="t")
    axis = figure.axes[0]
    assert drawn(figure) and [text.get_text() for text in axis.texts] == [*close, "far"]
    places = [text.xyann[0] for text in axis.texts]
    assert np.diff(places).min() > 0.039 and 0 < min(places) < max(places) < 1
    drawn(plots.gain_for_cost({}, x_name="passes"))


def test_boxes_are_drawn_on_their_edges_each_group_in_its_own_way():
    images = [np.zeros((20, 30)), np.full((20, 30, 3), 255, np.uint8), np.ones((40, 30, 1))]
    groups = {
        "labels": [[[1, 2, 5, 9]], np.zeros((0, 4)), [[0, 0, 30, 40]]],
        "$found$": [[], [[3, 3, 4, 4], [10, 0, 30, 20]], []],
    }
    texts = {"labels": [["0.5"], [], ["a\nb"]]}
    figure = plots.boxed(images, groups, titles=["p", "q"], texts=texts, columns=2, title="t")
    assert drawn(figure)
    first, second, third, empty = figure.axes
    (box,) = first.patches
    assert (box.get_xy(), box.get_width(), box.get_height()) == ((1, 2), 4, 7)
    assert first.images[0].get_extent() == [0, 30, 20, 0]  # pixel 0 lies between edges 0 and 1
    assert (first.get_xlim(), first.get_ylim()) == ((0, 30), (20, 0))
    assert [patch.get_xy() for patch in second.patches] == [(3, 3), (10, 0)]
    assert box.get_edgecolor() != second.patches[0].get_edgecolor()
    assert box.get_linestyle() != second.patches[0].get_linestyle()
    assert texts_of(first) == ["0.5"] and texts_of(second) == [] and len(third.texts) == 1
    assert (first.get_title(), second.get_title(), third.get_title()) == ("p", "q", "")
    assert not empty.axison
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["labels", "$found$"]
    assert drawn(plots.boxed([], {"none": []}))


def texts_of(axis):
    return [text.get_text() for text in axis.texts]
