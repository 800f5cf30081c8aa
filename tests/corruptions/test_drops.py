"""The light on drops of water against OpenCV 5.0, SciPy's shortest paths and hand counts."""

import numpy as np
import pytest
from scipy import ndimage, sparse

from tta_helpers.workbook.corruptions.drops import distances, edges, equalised, shading
from tta_helpers.workbook.corruptions.weather import spatter

# Drops, and at the lower right a ramp whose borders are too weak for an edge.
LIQUID = """
    0   0   0   0   0   0   0   0 182 237 219   0   0   0   0   0
    0  14  14   0   0   0   0   0   0 208 201   0   0   0   0   0
    0   0   0   0   0   0   0   0   0   0   0   0   0   0   0 182
    0 179 177   0   0   0   0   0   0   0   0   0   0   0   0   0
    0   0 188 176   0   0   0   0   0   0   0   0   0   0   0   0
  181 195 204 190   0   0   0   0   0   0   0   0 190 192   0   0
    0 190 195 178   0   0   0   0   0   0   0 183 212 224 209 187
    0   0   0   0   0   0 182   0   0   0   0 185 205 220 221 203
    0   0   0   0   0   0 189   0   0   0   0   0   0   0   0   0
    0   0   0 176 189 188 181   0   0   0  10  28  46  64  82 100
    0   0   0 207 227 211 177   0   0   0  10  28  46  64  82 100
  176 178 195 235   1 239 189   0   0 177   0   0   0   0   0   0
"""
CANNY = """
  ........#.#.....
  ........###....#
  ..............#.
  ..##...........#
  ##.#............
  ...#.......####.
  ####.......#..##
  .....###...###..
  .....#.#........
  ...##.#.........
  ..#...#..#......
  ###.#.#...#.....
"""
LIGHT = """
  109 109 109 139 147 120  53   9  57 142 227 229 144  59   0   0
   95  95  95 115 135 135 103  80 105 170 227 229 144  59   0   0
   14  14  14  62 132 188 182 155 171 201 209 172  96  39   0   0
    0   0  20  81 164 228 241 218 194 168 136  96  48  20   0   0
    0   0  20 105 189 245 227 175 130  83  51  20   0   0   0   0
   20  20  20  96 171 200 163  99  68  29  17   0   0   0   0   0
  105  96  48  68  96 116  80  60  65  53  24  28  57  85  85  85
  133 124  48  39  39  39  39  76 120 120  92 105 142 170 170 170
  113 105  48  20   0   0  20  76 116 116 116 161 227 255 255 255
   28  28   0   0   0   0  20  48  68  68 124 190 255 255 255 255
    0   0   0   0   0   0   0   0   0  28 113 198 255 255 255 255
    0   0   0   0   0   0   0   0   0  28 113 198 255 255 255 255
"""


def numbers(text):
    return np.array([[int(word) for word in line.split()] for line in text.split("\n")[1:-1]])


def last(images):
    """Move the images to the last axis."""
    return np.moveaxis(images, 0, -1)


def test_edges_and_light_are_opencvs():
    """Measured by cv2.Canny, distanceTransform, blur, equalizeHist and filter2D."""
    liquid = numbers(LIQUID).astype(np.uint8)
    expected = np.array([list(line.strip()) for line in CANNY.split("\n")[1:-1]]) == "#"
    upside_down = np.stack([liquid, liquid[::-1]])  # a second image beside it changes nothing
    np.testing.assert_array_equal(edges(last(upside_down))[..., 0], expected)
    np.testing.assert_array_equal(shading(upside_down)[0], numbers(LIGHT))


def test_weak_edges_count_where_they_hang_on_strong_ones():
    """A step of height h at column 6 has a gradient of 4h + 6, half of the 6 in the last rows."""
    fading, faint = np.zeros((2, 40, 14), np.uint8)
    fading[:, 6:] = np.arange(54, 14, -1)[:, None]  # sizes from 222 to 66
    faint[:, 6:] = np.linspace(30, 15, 40)[:, None]  # from 126 to 66: none passes 150
    result = edges(last(np.stack([fading, faint, fading[::-1]])))
    np.testing.assert_array_equal(result[..., 0], np.arange(14) == np.full((40, 1), 6))
    assert not result[..., 1].any()
    np.testing.assert_array_equal(result[..., 2], result[..., 0])


@pytest.mark.parametrize("share", [0.003, 0.05])
def test_distances_are_shortest_paths(share):
    """By Dijkstra's method over steps to the side (1), to a corner (1.4), of a knight (2.1969)."""
    zeros = np.random.default_rng(2).random((2, 24, 32)) < share
    zeros[0] = False
    zeros[0, 3, 30] = True  # all but the neighbourhood is farther than 20 pixels
    number = np.arange(24 * 32).reshape(24, 32)
    graph = sparse.lil_array((24 * 32, 24 * 32))
    for down, right, length in ((0, 1, 1), (1, 0, 1), (1, 1, 1.4), (1, 2, 2.1969), (2, 1, 2.1969)):
        graph[number[: 24 - down, : 32 - right], number[down:, right:]] = length
        graph[number[: 24 - down, right:], number[down:, : 32 - right]] = length
    result = distances(last(zeros))
    for k, image in enumerate(zeros):
        paths = sparse.csgraph.dijkstra(
            graph.tocsr(), directed=False, indices=np.flatnonzero(image), min_only=True
        )
        expected = np.minimum(paths, 20).reshape(24, 32)
        np.testing.assert_allclose(result[..., k] / 10_000, expected, atol=1e-3)


def test_without_edges_everything_is_far():
    assert set(np.unique(distances(np.zeros((5, 7, 2), bool)))) == {20 * 10_000}


def test_equalised_by_hand():
    """Of twelve pixels two are lowest: ranks 3, 8 and 10 among the ten others, times 255 / 10."""
    image = np.array([[2, 2, 5, 5], [5, 9, 9, 9], [9, 9, 20, 20]])
    expected = [[0, 0, 76, 76], [76, 204, 204, 204], [204, 204, 255, 255]]
    result = equalised(np.stack([image, np.full((3, 4), 20)], axis=-1))
    np.testing.assert_array_equal(result[..., 0], expected)
    np.testing.assert_array_equal(result[..., 1], 20)  # one value stays


def test_water_is_its_layer_times_its_light():
    """The whole of spatter on black, with SciPy's blur: `mix` is reached once in each image."""
    streams = [np.random.default_rng(seed) for seed in (1, 2)]
    noise = [np.random.default_rng(seed).standard_normal((32, 32), "float32") for seed in (1, 2)]
    result = spatter(np.zeros((2, 32, 32, 3), "float32"), streams, 0.65, 0.3, 1, 0.69, 0.5, 0)
    for image, drawn in zip(result, noise, strict=True):
        layer = ndimage.gaussian_filter(0.65 + 0.3 * drawn, 1, mode="nearest")
        layer = np.floor(np.where(layer < 0.69, 0, layer) * 255).astype(np.uint8)
        light = layer.astype(float) * shading(layer[None])[0]
        expected = 0.5 * light / light.max()
        np.testing.assert_allclose(image[..., 1], expected * 238 / 255, atol=1e-5)
        assert image[..., 0].max() == pytest.approx(0.5 * 175 / 255)
        assert (image[..., 1] == image[..., 2]).all()
