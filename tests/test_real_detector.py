"""A detector that others trained: its graph is read as stored, its maps mean what they should.

The network itself is held to TensorFlow's run of its graph where `make real` has fetched it.
"""

import base64
import json

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from benchmarks.real import __main__ as real
from benchmarks.real import artefacts, box_figure, boxes, centernet, fetch, graph_model, page
from benchmarks.real.networks import NETWORKS
from benchmarks.real.pictures import cropped
from tta_helpers.boxes import undo_boxes
from tta_helpers.views import FLIP
from tta_helpers.workbook.detector import decode

(CENTERNET,) = (network for network in NETWORKS if network.task == "boxes")

# ---------------------------------------------------------------- a graph written by hand


def node(name, op, *given, **attributes):
    return {"name": name, "op": op, "input": list(given), "attr": attributes}


def text(value):
    return base64.b64encode(value.encode()).decode()


def tiny_graph(last="ResizeBilinear", fused="Relu6"):
    """Return a graph of a convolution and one more operation, its weights, and these as numbers."""
    rng = np.random.default_rng(2)
    kernel = rng.integers(0, 256, (1, 1, 3, 2)).astype("uint8")
    bias, size = rng.normal(size=2).astype("<f2"), np.array([8, 12], "<i4")
    conv = {
        "strides": {"list": {"i": ["1", "1", "1", "1"]}},
        "padding": {"s": text("SAME")},
        "data_format": {"s": text("NHWC")},
        "fused_ops": {"list": {"s": [text("BiasAdd"), text(fused)]}},
    }
    plain = {"align_corners": {"b": False}, "half_pixel_centers": {"b": False}}
    shape = {"shape": {"dim": [{"size": n} for n in ("1", "4", "6", "3")]}}
    nodes = [  # not in the order in which they are computed
        node("out", last, "conv", "size", **plain),
        node("unused", "WriteFile", "out"),
        node("conv", "_FusedConv2D", "images", "kernel", "bias", **conv),
        *(node(name, "Const") for name in ("size", "bias", "kernel")),
        node("images", "Placeholder", shape=shape),
    ]
    packed = {"dtype": "uint8", "scale": 0.02, "min": -2.5}
    entries = [
        {"name": "kernel", "shape": [1, 1, 3, 2], "dtype": "float32", "quantization": packed},
        {"name": "bias", "shape": [2], "dtype": "float32", "quantization": {"dtype": "float16"}},
        {"name": "size", "shape": [2], "dtype": "int32"},
    ]
    manifest = [{"paths": ["a.bin"], "weights": entries}]
    held = {"format": "graph-model", "modelTopology": {"node": nodes}, "weightsManifest": manifest}
    weights = b"".join(part.tobytes() for part in (kernel, bias, size))
    return json.dumps(held).encode(), weights, kernel * 0.02 - 2.5, bias.astype(float)


def test_a_graph_with_packed_weights_answers_as_numpy_does():
    description, weights, kernel, bias = tiny_graph()
    model = graph_model.read_model(description, weights, ["conv", "out"])
    photos = np.random.default_rng(3).random((5, 4, 6, 3), "float32")
    conv, out = model.predict(photos, verbose=0)
    expected = np.clip(photos @ kernel[0, 0] + bias, 0, 6)
    np.testing.assert_allclose(conv, expected, atol=1e-5)
    for axis, n in ((1, 4), (2, 6)):  # every second place is between two pixels

        def between(values, n=n):
            return np.interp(np.arange(2 * n) / 2, np.arange(n), values)

        expected = np.apply_along_axis(between, axis, expected)
    np.testing.assert_allclose(out, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"last": "ReadFile"}, "out is a ReadFile, which is none of Add"),
        ({"fused": "Elu"}, "conv is joined with Elu, none of"),
    ],
)
def test_an_operation_that_is_not_known_is_refused(how, words, fault):
    fault("graph that asks for an operation of another kind")
    with pytest.raises(ValueError, match=words):
        graph_model.read_model(*tiny_graph(**how)[:2], ["out"])


def test_damaged_files_are_refused(fault):
    fault("weights of a graph too short, too long, of another kind", times=3)
    description, weights, *_ = tiny_graph()
    with pytest.raises(ValueError, match="the weights end within size: 17 bytes"):
        graph_model.read_model(description, weights[:-1], ["out"])
    with pytest.raises(ValueError, match="the weights hold 19 bytes, and 18 are described"):
        graph_model.read_model(description, weights + b"x", ["out"])
    other = description.replace(b'"dtype": "uint8"', b'"dtype": "string"')
    with pytest.raises(ValueError, match="kernel is stored as string, which is none of"):
        graph_model.read_model(other, weights, ["out"])
    with pytest.raises(ValueError, match=r"no TensorFlow\.js graph model: its format is 'layers-m"):
        graph_model.read_model(b'{"format": "layers-model"}', b"", ["out"])
    with pytest.raises(ValueError, match="the graph has no node 'elsewhere'"):
        graph_model.read_model(description, weights, ["elsewhere"])


# ---------------------------------------------------------------- maps and boxes by hand


def maps_with(row, column, label, score, distances):
    """Return maps of 8 x 10 cells, three classes, that show one object."""
    maps = np.zeros((8, 10, 3 + 4))
    maps[row, column, label] = score
    maps[row, column + 1, label] = score / 2  # a neighbour that is no peak
    maps[row, column, 3:] = distances
    return maps


def test_a_peak_becomes_a_box():
    maps = maps_with(2, 6, 1, 0.8, (5, 7, 9, 11))  # the corner lies at (24, 8)
    found = decode(maps[..., :-4], centernet.cell_boxes(maps), 0.25)
    np.testing.assert_allclose(found[0], [[19, 1, 33, 19]])
    assert (found[1].tolist(), found[2].tolist()) == ([0.8], [1])
    at_the_frame = maps_with(0, 0, 0, 0.8, (5, 7, 99, 11))
    np.testing.assert_allclose(centernet.cell_boxes(at_the_frame)[0, 0], [0, 0, 40, 11])


def test_turned_maps_put_a_box_one_stride_to_the_left():
    """In a mirror image 40 pixels wide, 19 to 33 is 7 to 21 of the picture."""
    maps = maps_with(2, 6, 1, 0.8, (5, 7, 9, 11))
    turned = centernet.turned(maps)
    ((box,), (score,), _) = decode(turned[..., :-4], centernet.cell_boxes(turned), 0.5)
    np.testing.assert_allclose(box, [7 - 4, 1, 21 - 4, 19])
    assert score == 0.8
    np.testing.assert_allclose(undo_boxes(FLIP[1], [[19, 1, 33, 19]], (32, 40)), [[7, 1, 21, 19]])


def answer(*rows):
    """Return boxes, scores and labels of rows (x0, y0, x1, y1, score, label)."""
    rows = np.reshape(rows, (-1, 6)).astype(float)
    return rows[:, :4], rows[:, 4], rows[:, 5].astype(int)


ALONE = answer((10, 0, 30, 20, 0.9, 0), (0, 40, 60, 80, 0.6, 2), (100, 100, 120, 120, 0.5, 1))
BACK = answer((1, 41, 63, 80, 0.8, 2), (12, 0, 31, 20, 0.7, 0), (100, 100, 120, 120, 0.5, 3))
LEFT = answer((8, 0, 27, 20, 0.7, 0))


def test_boxes_agree_by_class_and_overlap_and_their_gaps_are_signed():
    rows, others = boxes.agreeing(ALONE, BACK)
    assert (rows.tolist(), others.tolist()) == ([0, 1], [1, 0])
    assert boxes.gaps(ALONE, BACK).tolist() == [2, 1, 3]  # the edge at 0 is the frame's
    assert boxes.gaps(BACK, LEFT).tolist() == [-4, -4]
    for pair in ((ALONE, answer()), (answer(), ALONE)):
        assert [len(part) for part in boxes.agreeing(*pair)] == [0, 0]


def test_boxes_of_two_views_are_fused():
    ((found, scores, labels),) = boxes.fused([ALONE], [BACK])
    assert labels.tolist() == [0, 2, 1, 3]
    np.testing.assert_allclose(scores, [0.8, 0.7, 0.25, 0.25])  # what one view alone saw: half
    np.testing.assert_allclose(found[0], [(9 * 10 + 7 * 12) / 16, 0, (9 * 30 + 7 * 31) / 16, 20])


def judged(turned):
    """Return a judgement of one picture."""
    fused = boxes.fused([ALONE], [BACK])
    answers = {"alone": [ALONE], "moved back": [BACK], "fused": fused}
    answers |= {"turned": [turned], "averaged": [LEFT]}
    pictures = {"a picture": np.zeros((centernet.SIDE, centernet.SIDE, 3), np.uint8)}
    return boxes.BoxJudgement(CENTERNET, pictures, answers)


def test_the_page_tells_what_was_found():
    text = page.boxes_part(judged(LEFT))
    assert "CenterNet on 1 photographs, those shown on this page and foolbox's, 512 pixels" in text
    assert "draws 3 in the pictures and 3 in their mirror images" in text
    assert "2 agree with one of the picture's" in text
    assert "lie 2.0 pixels apart in the median. Weighted box fusion makes 4 of all" in text
    assert "| moved back | alone | 2 of 3 | +2.0 [+1.5, +2.5] |" in text
    assert "| turned | moved back | 1 of 1 | -4.0 [-4.0, -4.0] |" in text
    assert "are +2.0 pixels off in the median, those of turned maps -2.5. So boxes" in text
    assert "the picture's keep -3.2 pixels of the mistake" in text
    nearer = page.boxes_part(judged(BACK))
    assert "maps +2.0. Here this does not show which way is right" in nearer


def test_the_figure_tells_what_was_found():
    judgement = judged(LEFT)
    drawn = box_figure.figure(judgement, ["a picture"], "small print")
    said = [axis.get_title() for axis in drawn.axes]
    assert said[0] == "a picture, alone\n1 × person, 1 × car, 1 × bicycle"
    assert said[1] == "moved back: 1 × car, 1 × person, 1 × motorcycle\n2 agree, 2.0 px apart"
    assert said[3].endswith("turned: -4.0 px from moved back")
    x = drawn.axes[3].get_xlim()
    assert x[0] < judgement.answers["fused"][0][0][0, 0] < x[1]
    nothing = dict.fromkeys(("alone", "moved back", "fused", "averaged", "turned"), answer())
    assert box_figure.titles("none", nothing)[1] == "moved back: nothing\n0 agree"


def test_the_page_shows_the_figure_and_whose_its_pictures_are():
    assert len(set(centernet.CLASSES)) == 80
    held = real.PAGE.read_text()
    assert f"| {CENTERNET.name} | {CENTERNET.what} | {artefacts.HUMAN_MODELS.title}, npm |" in held
    assert f"![{real.ALTS['boxes']}](../benchmarks/results/real-boxes.png)" in held
    assert (real.RESULTS / "real-boxes.png").is_file()
    credits = held.split("<!-- end of real networks -->")[1].lower()
    for name in real.SHOWN:
        assert name in credits


# ---------------------------------------------------------------- the network itself


def tensorflow_run(tf, description, weights, picture):
    """Return what TensorFlow makes of the graph, joined operations taken apart."""
    from google.protobuf import json_format

    held = json.loads(description)
    constants = graph_model.read_weights(held["weightsManifest"], weights)
    graph = tf.compat.v1.GraphDef()
    for stored in held["modelTopology"]["node"]:
        joined = stored["attr"].pop("fused_ops", None)
        if not joined:
            json_format.ParseDict(stored, made := graph.node.add())
            if made.op == "Const":
                value = tf.make_tensor_proto(constants[made.name])
                made.attr["value"].tensor.CopyFrom(value)
            continue
        kind = {"_FusedConv2D": "Conv2D"}.get(stored["op"], "DepthwiseConv2dNative")
        for unknown in ("num_args", "epsilon"):
            stored["attr"].pop(unknown, None)
        image, kernel, bias = stored["input"]
        steps = [(kind, [image, kernel], stored["attr"])]
        for op in (base64.b64decode(name).decode() for name in joined["list"]["s"]):
            steps.append((op, [bias] if op == "BiasAdd" else [], {"T": stored["attr"]["T"]}))
        last = None
        for k, (op, given, attributes) in enumerate(steps):
            name = stored["name"] + "/step" * (len(steps) - 1 - k)
            given = [last, *given] if last else given
            step = {"name": name, "op": op, "input": given, "attr": attributes}
            json_format.ParseDict(step, graph.node.add())
            last = name
    run = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    wanted = [f"{name}:0" for name in (*centernet.OUTPUTS, "tower_0/detections")]
    pruned = run.prune("tower_0/images:0", wanted)
    return [part.numpy()[0] for part in pruned(tf.constant(picture[None], "float32"))]


def test_the_detector_is_tensorflows_own():
    """The graph ends in boxes of its own, by which the decoding here is judged too.

    Other backends differ: the graph's hard swish has its 1/6 in 16 bits, and TensorFlow with oneDNN
    takes an exact one in its place, which moves edges a little.
    """
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow rewrites the graph, and its own backend is rewritten alike")
    if not (fetch.cache_folder() / artefacts.HUMAN_MODELS.file).is_file():
        pytest.skip("`make real` has not fetched the detector, which is 145 MB")
    tf = pytest.importorskip("tensorflow")
    files = [fetch.member(artefacts.HUMAN_MODELS, name) for name in CENTERNET.files]
    picture = cropped(Image.fromarray(load_sample_image("china.jpg")), 512, 512)
    heat, distances, detected = tensorflow_run(tf, *files, picture)
    maps = CENTERNET.load().predict(picture[None].astype("float32"), verbose=0)[0]
    np.testing.assert_allclose(maps[..., :-4], heat, atol=1e-3)
    np.testing.assert_allclose(maps[..., -4:], distances, atol=0.05)
    found, scores, labels = decode(maps[..., :-4], centernet.cell_boxes(maps), boxes.LEAST)
    expected = detected[: len(found)]
    assert len(found) > 3
    assert detected[len(found), 4] < boxes.LEAST
    np.testing.assert_allclose(found, np.clip(expected[:, :4], 0, 512), atol=0.05)
    np.testing.assert_allclose(scores, expected[:, 4], atol=1e-3)
    np.testing.assert_array_equal(labels, expected[:, 5])
