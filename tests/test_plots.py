"""Figures show what they were given, where it belongs."""

import numpy as np

from tta_helpers import metrics, plots


def texts(axis):
    return [(t.get_position(), t.get_text()) for t in axis.texts]


def test_points_and_table():
    labels = np.zeros(200, int)
    before = np.tile([0.4, 0.6], (200, 1))
    before[:120] = [0.6, 0.4]
    after = before.copy()
    after[120:126] = [0.9, 0.1]
    change = metrics.compare(labels, before, after)
    assert plots.points(change).startswith("+3.00 [+1.")
    assert plots.points((-0.00001, -0.01, 0.0)) == "+0.00 [-1.00, +0.00]"
    markdown = plots.table(["a", "b"], [["x", 0.51234], [3, "y"]]).data
    assert markdown == "| a | b |\n| --- | --- |\n| x | 0.5123 |\n| 3 | y |"


def test_image_grid_keeps_order_and_leaves_empty_places_empty():
    images = np.arange(5)[:, None, None, None] * np.ones((1, 2, 2, 3)) / 5
    figure = plots.image_grid(images, list("abcde"), columns=3, row_labels=["p", "q"], note="n = 5")
    assert [axis.get_title() for axis in figure.axes] == ["a", "b", "c", "d", "e", ""]
    shown = [axis.images[0].get_array()[0, 0, 0] for axis in figure.axes[:5]]
    np.testing.assert_allclose(shown, np.arange(5) / 5)
    assert not figure.axes[5].images
    assert [figure.axes[k].get_ylabel() for k in (0, 3)] == ["p", "q"]
    assert figure.get_supxlabel() == "n = 5"


def test_two_views_shows_the_mirror_and_the_average():
    image = np.random.default_rng(0).random((4, 3, 3))
    probs = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]])
    figure = plots.two_views(image, probs, ["a", "b", "c"], top=2)
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), image[:, ::-1])
    bars = [[bar.get_width() for bar in series] for series in figure.axes[2].containers]
    np.testing.assert_allclose(bars, [[0.7, 0.1], [0.3, 0.5], [0.5, 0.3]])
    assert [label.get_text() for label in figure.axes[2].get_yticklabels()] == ["b", "a"]


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


def test_gains_are_coloured_by_what_the_interval_allows():
    def change(gain, low, high):
        return metrics.PairedComparison(100, 0.5, 0.5 + gain, gain, low, high, 1, 1, 1.0)

    figure = plots.gains({"up": change(0.02, 0.01, 0.03), "even": change(0.0, -0.01, 0.01)})
    axis = figure.axes[0]
    ends = [list(axis.lines[k].get_xdata()) for k in (0, 2)]
    np.testing.assert_allclose(ends, [[1, 3], [-1, 1]])
    assert axis.lines[0].get_color() != axis.lines[2].get_color()
    assert [label.get_text() for label in axis.get_yticklabels()] == ["up", "even"]


def test_learning_curves():
    history = {k: [2, 1] for k in ("loss", "val_loss")} | {
        k: [0.1, 0.3] for k in ("accuracy", "val_accuracy")
    }
    left, right = plots.learning_curves(history).axes
    assert left.lines[0].get_ydata().tolist() == [2, 1]
    assert right.lines[1].get_xydata().tolist() == [[1, 0.1], [2, 0.3]]


def test_gains_take_plain_intervals_too():
    figure = plots.gains({"fog": (0.07, 0.04, 0.1), "snow": (-0.01, -0.02, 0.0)})
    lines = [line.get_xdata() for line in figure.axes[0].lines[:2]]
    np.testing.assert_allclose(lines[0], [4, 10])
    np.testing.assert_allclose(lines[1], [7])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["fog", "snow"]


def test_titles_may_stand_over_the_first_row_alone():
    figure = plots.image_grid(np.zeros((4, 2, 2, 3)), ["a", "b"], columns=2)
    assert [axis.get_title() for axis in figure.axes] == ["a", "b", "", ""]


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
