"""Boxes and masks from files: small folders made up here, whose answers are counted by hand."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tta_helpers.workbook.data import (
    Annotated,
    DataError,
    Locked,
    load_cells,
    make_splits,
    read_coco,
    read_masks,
    read_voc,
    split_by_name,
)
from tta_helpers.workbook.sample import SCENE_CLASSES, make_scenes

REAL = os.environ.get("CELLS_DIR")


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.delenv("CELLS_DIR", raising=False)


def picture(path, size=(12, 10), seed=0):
    """Write a picture of this size (width, height) and return its pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def grey_16_bits(path, numbers):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(numbers, np.uint16)).save(path)


# ---------------------------------------------------------------- Pascal VOC

OBJECT = """<object><name>{}</name><difficult>0</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>
<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""


def voc_xml(objects, size=(12, 10), head=""):
    inside = "".join(OBJECT.format(*one) for one in objects)
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    return f"{head}<annotation><filename>elsewhere.jpg</filename>{sides}{inside}</annotation>"


@pytest.fixture
def voc(tmp_path):
    """Three pictures of 12 x 10 pixels: two objects, one object, none."""
    root = tmp_path / "voc"
    marks = {
        "a": [("dog", 1, 1, 12, 10), ("cat", 3, 2, 5, 9)],
        "b": [("cat", 6, 1, 8, 4)],
        "c": [],
    }
    for seed, (name, objects) in enumerate(marks.items()):
        picture(root / "JPEGImages" / f"{name}.png", seed=seed)
        (root / "Annotations").mkdir(exist_ok=True)
        (root / "Annotations" / f"{name}.xml").write_text(voc_xml(objects))
    (root / "ImageSets" / "Main").mkdir(parents=True)
    (root / "ImageSets" / "Main" / "train.txt").write_text("c\nb  1\n\n")
    return root


def rewrite(root, objects, name="b", **more):
    (root / "Annotations" / f"{name}.xml").write_text(voc_xml(objects, **more))


def test_voc_by_hand(voc):
    """VOC numbers pixels from 1, and both corners lie in the box."""
    read = read_voc(voc)
    assert read.names == ("a", "b", "c") and read.class_names == ("cat", "dog")
    assert (read.images.shape, read.images.dtype) == ((3, 10, 12, 3), np.uint8)
    for i, name in enumerate("abc"):
        stored = np.asarray(Image.open(voc / "JPEGImages" / f"{name}.png"))
        np.testing.assert_array_equal(read.images[i], stored)
    assert [boxes.tolist() for boxes in read.boxes] == [
        [[0, 0, 12, 10], [2, 1, 5, 9]],
        [[5, 0, 8, 4]],
        [],
    ]
    assert [labels.tolist() for labels in read.labels] == [[1, 0], [0], []]
    assert {boxes.dtype.name for boxes in read.boxes} == {"float32"}
    assert read.boxes[2].shape == (0, 4) and read.masks is None and read.dropped == ()
    assert len(read) == 3 and read.provenance == "3 pictures of voc"


def test_voc_lists_classes_and_counting_from_0(voc):
    read = read_voc(voc, "train", ("dog", "cat"), first_pixel=0)
    assert read.names == ("c", "b") and read.class_names == ("dog", "cat")
    assert read.boxes[1].tolist() == [[6, 1, 9, 5]] and read.labels[1].tolist() == [1]
    assert read.provenance == "2 pictures of voc (train)"


def test_names_may_hold_spaces(voc):
    for folder, ending in (("JPEGImages", "png"), ("Annotations", "xml")):
        (voc / folder / f"b.{ending}").rename(voc / folder / f"b 1 é.{ending}")
    (voc / "ImageSets" / "Main" / "train.txt").write_text("\ufeffb 1 é -1\n", "utf-8")
    assert read_voc(voc, "train").names == ("b 1 é",)
    assert read_voc(voc).names == ("a", "b 1 é", "c")


def test_pictures_and_boxes_are_made_smaller_together(voc):
    """12 x 10 by 4: three blocks across; three down, the last one of two rows."""
    whole, small = read_voc(voc), read_voc(voc, shrink=4)
    assert small.images.shape == (3, 3, 3, 3)
    block = whole.images[0, 4:8, 8:12].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(small.images[0, 1, 2], block, atol=0.5)
    edge = whole.images[0, 8:, :4].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(small.images[0, 2, 0], edge, atol=0.5)
    assert small.boxes[0].tolist() == [[0, 0, 3, 2.5], [0.5, 0.25, 1.25, 2.25]]


def test_pictures_of_several_sizes_come_as_objects(voc):
    pixels = picture(voc / "JPEGImages" / "b.png", size=(20, 10))
    rewrite(voc, [("cat", 15, 1, 20, 4)], size=(20, 10))
    read = read_voc(voc)
    assert read.images.shape == (3,) and read.images.dtype == object
    np.testing.assert_array_equal(read.images[1], pixels)
    assert read.boxes[1].tolist() == [[14, 0, 20, 4]]
    assert [image.shape[1] for image in read.take([1, 2]).images] == [20, 12]


CAT = ("cat", 6, 1, 8, 4)
FAULTY_BOXES = {
    "no size": (("cat", 7, 2, 7, 5), r"object 2 \(cat\): the box 7, 2, 7, 5 has no size"),
    "turned": (("cat", 7, 5, 9, 2), "the box 7, 5, 9, 2 has no size"),
    "right of the picture": (
        ("cat", 7, 2, 13, 5),
        r"the box \(6, 1\) to \(13, 5\) lies outside the picture, 12x10 \(width x height\)",
    ),
    "below the picture": (("cat", 7, 2, 9, 11), r"\(6, 1\) to \(9, 11\) lies outside"),
    "counted from 0": (("cat", 0, 2, 9, 5), r"\(-1, 1\) to \(9, 5\) lies outside the picture"),
    "no number": (("cat", "left", 2, 9, 5), r"object 2 \(cat\): its box holds 'left', which is no"),
    "not finite": (("cat", 7, 2, "nan", 5), "to \\(nan, 5\\) is not finite"),
    "twice": (CAT, r"the box \(5, 0\) to \(8, 4\) is there twice"),
    "unknown class": (("cow", 7, 2, 9, 5), r"\(cow\): the class 'cow' is none of 'cat', 'dog'"),
}


@pytest.mark.parametrize("kind", FAULTY_BOXES)
def test_a_faulty_box_is_named_or_dropped(voc, kind, fault):
    fault(f"box: {kind}")
    box, message = FAULTY_BOXES[kind]
    rewrite(voc, [CAT, box, ("dog", 1, 1, 4, 4)])
    with pytest.raises(DataError, match=rf"b\.xml: .*{message}.*faults='drop'"):
        read_voc(voc, classes=("cat", "dog"))
    read = read_voc(voc, classes=("cat", "dog"), faults="drop")
    assert read.boxes[1].tolist() == [[5, 0, 8, 4], [0, 0, 4, 4]]
    assert read.labels[1].tolist() == [0, 1] and len(read) == 3
    [dropped] = read.dropped
    assert dropped.startswith(f"Annotations{os.sep}b.xml: object 2")


def test_almost_the_same_box_is_a_double_where_that_is_asked_for(voc):
    """4 x 3 and 4 x 4 pixels with one corner: an IoU of 12 / 16."""
    rewrite(voc, [("cat", 1, 1, 4, 3), ("cat", 1, 1, 4, 4), ("dog", 1, 1, 4, 4)])
    assert len(read_voc(voc).boxes[1]) == len(read_voc(voc, doubled=0.76).boxes[1]) == 3
    read = read_voc(voc, doubled=0.75, faults="drop")
    assert read.boxes[1].tolist() == [[0, 0, 4, 3], [0, 0, 4, 4]]  # the dog's is another class
    assert len(read.dropped) == 1


def test_all_faults_come_in_one_message(voc):
    rewrite(voc, [CAT, CAT, ("cat", 7, 2, 7, 5)])
    rewrite(voc, [("dog", 1, 1, 13, 10)], "a")
    with pytest.raises(DataError) as error:
        read_voc(voc)
    for part in ("a.xml", "object 2", "object 3", "twice", "no size", "outside"):
        assert part in str(error.value)


def break_no_picture(root):
    (root / "JPEGImages" / "b.png").unlink()


def break_no_xml(root):
    (root / "Annotations" / "b.xml").unlink()


def break_xml(root):
    path = root / "Annotations" / "b.xml"
    path.write_text(path.read_text()[:-20])


def break_size(root):
    rewrite(root, [CAT], size=(10, 12))


def break_size_text(root):
    rewrite(root, [CAT], size=("wide", 12))


def break_picture(root):
    path = root / "JPEGImages" / "b.png"
    path.write_bytes(path.read_bytes()[:-40])


def break_depth(root):
    grey_16_bits(root / "JPEGImages" / "b.png", np.full((10, 12), 3000))


def break_corner(root):
    path = root / "Annotations" / "b.xml"
    path.write_text(path.read_text().replace("xmax", "x_max"))


FAULTY_PICTURES = {
    break_no_picture: r"holds no picture 'b'",
    break_no_xml: r"b\.xml is missing",
    break_xml: r"b\.xml cannot be read as XML: unclosed token",
    break_size: r"b\.png is 12x10 pixels \(width x height\), and 10x12 by its labels",
    break_size_text: r"b\.xml: the size holds 'wide', which is no number",
    break_picture: r"b\.png cannot be decoded",
    break_depth: r"b\.png cannot be decoded: it has more than 8 bits a channel; convert it to 8",
}


@pytest.mark.parametrize("damage", FAULTY_PICTURES)
def test_a_faulty_picture_is_named_or_dropped(voc, damage, fault):
    fault(damage.__name__.replace("_", " "))
    damage(voc)
    with pytest.raises(DataError, match=FAULTY_PICTURES[damage]):
        read_voc(voc)
    read = read_voc(voc, faults="drop")
    assert read.names == ("a", "c") and len(read.images) == 2 and len(read.dropped) == 1


def test_a_box_without_a_corner_is_named(voc):
    break_corner(voc)
    with pytest.raises(DataError, match=r"object 1 \(cat\): its box has no xmax"):
        read_voc(voc)


def test_a_name_that_a_list_holds_twice(voc):
    (voc / "ImageSets" / "Main" / "train.txt").write_text("b\nc\nb\n")
    with pytest.raises(DataError, match=r"train\.txt names 'b' 2 times"):
        read_voc(voc, "train")
    assert read_voc(voc, "train", faults="drop").names == ("b", "c")


def test_what_is_missing_as_a_whole_is_an_error_even_when_faults_are_dropped(voc, tmp_path):
    with pytest.raises(DataError, match=r"val\.txt cannot be read.*correct split='val'"):
        read_voc(voc, "val", faults="drop")
    with pytest.raises(DataError, match="JPEGImages is no folder"):
        read_voc(tmp_path / "nowhere", faults="drop")
    (voc / "ImageSets" / "Main" / "odd.txt").write_text("x\n")
    with pytest.raises(DataError, match=r"voc \(odd\) holds no picture with labels .*picture 'x'"):
        read_voc(voc, "odd", faults="drop")
    picture(voc / "JPEGImages" / "b.jpg")
    with pytest.raises(DataError, match=r"b\.jpg and b\.png, two pictures of one name"):
        read_voc(voc)
    for path in (voc / "Annotations").iterdir():
        path.unlink()
    (voc / "JPEGImages" / "b.jpg").unlink()
    with pytest.raises(DataError, match="Annotations holds no XML files"):
        read_voc(voc)


def laughs():
    """A billion laughs: ten entities, each ten of the one before."""
    lines = ['<!ENTITY l0 "ha">']
    lines += [f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10)]
    return f"<!DOCTYPE annotation [{''.join(lines)}]>"


@pytest.mark.parametrize("kind", ["billion laughs", "outside file"])
def test_entities_are_refused(voc, kind, fault):
    fault(f"XML with entities: {kind}")
    outside = '<!DOCTYPE annotation [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>'
    head = laughs() if kind == "billion laughs" else outside
    rewrite(voc, [("&l9;", 1, 1, 4, 4)], head=head)
    first = "l0" if kind == "billion laughs" else "l9"
    with pytest.raises(
        DataError, match=rf"b\.xml cannot be read as XML: it declares an .*'{first}'"
    ):
        read_voc(voc)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"faults": "ignore"}, "faults is 'ignore': give 'refuse' or 'drop'"),
        ({"first_pixel": 2}, "first_pixel is 2"),
        ({"shrink": 0}, "shrink is 0: give a whole number of at least 1"),
        ({"shrink": 1.5}, r"shrink is 1\.5"),
        ({"doubled": 0}, "doubled is 0: give an IoU"),
        ({"classes": "cat"}, "classes is 'cat': give a list"),
        ({"classes": ("cat", "dog", "cat")}, "give each a name of its own"),
        ({"folder": ""}, "is no path"),
    ],
)
def test_a_bad_argument_is_named(voc, arguments, message):
    with pytest.raises(DataError, match=message):
        read_voc(**{"folder": voc, **arguments})


# ---------------------------------------------------------------- COCO


@pytest.fixture
def coco(tmp_path):
    """Two pictures; three objects of two categories, and a crowd."""
    folder = tmp_path / "pictures"
    picture(folder / "a.png")
    picture(folder / "more" / "b.png", seed=1)
    content = {
        "images": [
            {"id": 7, "file_name": "a.png", "width": 12, "height": 10},
            {"id": 3, "file_name": "more/b.png", "width": 12, "height": 10},
        ],
        "categories": [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 18, "bbox": [0, 0, 12, 10], "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 17, "bbox": [2.5, 1, 3, 8.25]},
            {"id": 3, "image_id": 3, "category_id": 17, "bbox": [5, 0, 7.004, 4]},
            {"id": 4, "image_id": 3, "category_id": 17, "bbox": [0, 0, 12, 10], "iscrowd": 1},
        ],
    }
    return tmp_path / "labels.json", folder, content


def coco_read(coco, **arguments):
    path, folder, content = coco
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_coco(path, folder, **arguments)


def test_coco_by_hand(coco):
    """Edges from 0; ids become labels in their order; a hair's breadth too wide is cut."""
    read = coco_read(coco)
    assert read.names == ("a", "more/b") and read.class_names == ("cat", "dog")
    np.testing.assert_array_equal(read.images[1], np.asarray(Image.open(coco[1] / "more/b.png")))
    assert [boxes.tolist() for boxes in read.boxes] == [
        [[0, 0, 12, 10], [2.5, 1, 5.5, 9.25]],
        [[5, 0, 12, 4]],
    ]
    assert [labels.tolist() for labels in read.labels] == [[1, 0], [0]]
    assert read.masks is None and read.provenance == "2 pictures of labels.json"
    assert coco_read(coco, classes=("dog", "cat"), shrink=2).labels[0].tolist() == [0, 1]


FAULTY_LABELS = {
    "no size": ({"bbox": [2.5, 1, 0, 8]}, r"annotation 2: the box 2\.5, 1, 0, 8 has no size"),
    "outside": ({"bbox": [2.5, 1, 10, 8]}, r"\(2\.5, 1\) to \(12\.5, 9\)|lies outside"),
    "far outside": ({"bbox": [30, 1, 10, 8]}, "lies outside the picture, 12x10"),
    "a hair wide": ({"bbox": [5, 1, 1e-9, 8]}, "has no size within the picture"),
    "left by a hair": ({"bbox": [-0.4, 1, 0.4, 8]}, "has no size within the picture"),
    "three numbers": ({"bbox": [1, 2, 3]}, r"its bbox is \[1, 2, 3\], not x, y, width and height"),
    "text": ({"bbox": [1, 2, 3, "far"]}, "its bbox holds 'far', which is no number"),
    "huge": ({"bbox": [1, 2, 3, 10**400]}, "which is no number"),
    "endless": ({"bbox": [1, 2, 3, float("inf")]}, "is not finite"),
    "image": ({"image_id": 8}, "its image_id is 8, which is not in the file"),
    "category": ({"category_id": [17]}, r"its category_id is \[17\], which is not in the file"),
    "id": ({"id": 1}, "the id 1 is there twice"),
    "no id": ({"id": None}, "annotations: entry 2 has no id"),
}


@pytest.mark.parametrize("kind", FAULTY_LABELS)
def test_a_faulty_annotation_is_named_or_dropped(coco, kind, fault):
    change, message = FAULTY_LABELS[kind]
    coco[2]["annotations"][1].update(change)
    if kind == "outside":  # by half a pixel is rounding, by more is not
        assert coco_read(coco).boxes[0][1].tolist() == [2.5, 1, 12, 9]
        coco[2]["annotations"][1]["bbox"][2] = 10.1
    fault(f"COCO annotation: {kind}")
    with pytest.raises(DataError, match=rf"labels\.json: .*({message})"):
        coco_read(coco)
    read = coco_read(coco, faults="drop")
    assert read.boxes[0].tolist() == [[0, 0, 12, 10]] and len(read.dropped) == 1


FAULTY_IMAGES = {
    "id": ({"id": 7}, "images: the id 7 is there twice"),
    "file": ({"file_name": "a.png"}, "the file_name 'a.png' is there twice"),
    "missing": ({"file_name": "c.png"}, r"c\.png cannot be decoded: No such file"),
    "outside": ({"file_name": "../labels.json"}, "leads out of"),
    "no name": ({"file_name": 3}, "its file_name is 3"),
    "null byte": ({"file_name": "a\0"}, "is no path"),
    "size": ({"width": 10}, r"b\.png is 12x10 pixels \(width x height\), and 10x10 by its"),
    "half a pixel": ({"width": 11.5}, r"its size holds 11\.5, which is no whole number"),
}


@pytest.mark.parametrize("kind", FAULTY_IMAGES)
def test_a_faulty_image_is_named_or_dropped(coco, kind, fault):
    fault(f"COCO image: {kind}")
    change, message = FAULTY_IMAGES[kind]
    coco[2]["images"][1].update(change)
    with pytest.raises(DataError, match=message):
        coco_read(coco)
    assert coco_read(coco, faults="drop").names == ("a",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"labels\.json cannot be read as JSON \(Expecting"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("[]", "has no list 'images': give a JSON file as COCO has it"),
        ('{"images": [], "annotations": {}}', "has no list 'annotations'"),
        ('{"images": [], "annotations": [], "categories": []}', "holds no picture with labels"),
    ],
)
def test_broken_json_is_refused(coco, content, message):
    with pytest.raises(DataError, match=message):
        coco_read((*coco[:2], content), faults="drop")


def test_a_missing_json_file_or_folder_is_named(coco, tmp_path):
    with pytest.raises(DataError, match=r"labels\.json is missing"):
        read_coco(tmp_path / "labels.json", tmp_path)
    with pytest.raises(DataError, match="nowhere is no folder: correct pictures="):
        read_coco(tmp_path / "labels.json", tmp_path / "nowhere")
    coco[2]["categories"][0]["name"] = 5
    with pytest.raises(DataError, match="give each a name of its own"):
        coco_read(coco)


def leaves(tree):
    """Yield every place in nested lists and dictionaries as (container, key)."""
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from leaves(tree[key])


ODD = (
    None,
    True,
    -1,
    0,
    1e308,
    1e-12,
    11.999999,
    "",
    "x",
    [],
    {},
    [[]],
    {"id": {}},
    "\ud800",
    "/",
    10**30,
    7,
)


def test_whatever_a_json_file_holds_is_read_or_refused(coco):
    """Every value in turn becomes every odd one: no other error, and never a faulty box."""
    text, read = json.dumps(coco[2]), 0
    for place in range(len(list(leaves(coco[2])))):
        for odd in ODD:
            content = json.loads(text)
            container, key = list(leaves(content))[place]
            container[key] = odd
            try:
                found = coco_read((*coco[:2], content), faults="drop")
            except DataError:
                continue
            read += 1
            for boxes in found.boxes:
                assert ((boxes >= 0) & (boxes <= [12, 10, 12, 10])).all()
                assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert read > 100


# ---------------------------------------------------------------- masks

# Two objects, numbered 300 and 5, of 3 x 2 and 2 x 2 pixels; the second in a corner.
INSTANCES = np.zeros((4, 6), np.uint16)
INSTANCES[1:3, 1:4], INSTANCES[2:, 4:] = 300, 5


@pytest.fixture
def masked(tmp_path):
    """Two pictures of 6 x 4 pixels and their masks; the second holds no object."""
    for seed, name in enumerate("ab"):
        picture(tmp_path / "images" / f"{name}.png", (6, 4), seed)
    grey_16_bits(tmp_path / "masks" / "a.png", INSTANCES)
    grey_16_bits(tmp_path / "masks" / "b.png", np.zeros((4, 6)))
    return tmp_path / "images", tmp_path / "masks"


def test_masks_of_instances_by_hand(masked):
    read = read_masks(*masked, ("nucleus",))
    expected = np.zeros((4, 6), int)
    expected[1:3, 1:4], expected[2:, 4:] = 2, 1  # in the order of their numbers
    assert (read.masks.shape, read.masks.dtype) == ((2, 4, 6), np.uint16)
    np.testing.assert_array_equal(read.masks[0], expected)
    assert read.boxes[0].tolist() == [[4, 2, 6, 4], [1, 1, 4, 3]] and len(read.boxes[1]) == 0
    assert read.boxes[1].shape == (0, 4) and not read.masks[1].any()
    assert [labels.tolist() for labels in read.labels] == [[0, 0], []]
    assert read.names == ("a", "b") and read.class_names == ("nucleus",)


def test_one_picture_an_object_gives_the_same(masked):
    images, masks = masked
    whole = read_masks(images, masks)
    (masks / "a.png").unlink()
    for name, number in (("1", 5), ("2", 300)):
        inside = Image.fromarray(((number == INSTANCES) * 255).astype(np.uint8))
        (masks / "a").mkdir(exist_ok=True)
        inside.save(masks / "a" / f"{name}.png")
    read = read_masks(images, masks)
    np.testing.assert_array_equal(read.masks, whole.masks)
    assert read.boxes[0].tolist() == whole.boxes[0].tolist()


def test_of_two_objects_on_one_pixel_the_later_lies_in_front(masked):
    images, masks = masked
    (masks / "a.png").unlink()
    (masks / "a").mkdir()
    for name, columns in (("1", slice(0, 4)), ("2", slice(3, 6))):
        one = np.zeros((4, 6), np.uint8)
        one[:, columns] = 1
        Image.fromarray(one * 255).convert("1").save(masks / "a" / f"{name}.png")
    read = read_masks(images, masks)
    assert read.masks[0].tolist() == [[1, 1, 1, 2, 2, 2]] * 4
    assert read.boxes[0].tolist() == [[0, 0, 3, 4], [3, 0, 6, 4]]


def test_masks_of_classes_by_hand(masked):
    images, masks = masked
    palette = Image.fromarray(np.repeat([[0, 1, 2, 2, 0, 1]], 4, axis=0).astype(np.uint8))
    palette.putpalette(list(range(30)))
    assert palette.mode == "P"
    palette.save(masks / "a.png")
    read = read_masks(images, masks, ("ground", "cell", "nucleus"), "classes")
    assert read.masks[0].tolist() == [[0, 1, 2, 2, 0, 1]] * 4
    assert [len(boxes) for boxes in read.boxes] == [0, 0]
    assert read.class_names == ("ground", "cell", "nucleus")
    with pytest.raises(DataError, match=r"a\.png holds the class 2, and 2 are named, 0 to 1"):
        read_masks(images, masks, ("ground", "cell"), "classes")
    small = read_masks(images, masks, ("ground", "cell", "nucleus"), "classes", shrink=4)
    assert small.masks[0].tolist() == [[2, 1]]  # of two as frequent ones the one above 0
    assert small.images.shape == (2, 1, 2, 3)


def test_a_mask_is_made_smaller_with_its_boxes(masked):
    small = read_masks(*masked, shrink=2)
    assert small.masks[0].tolist() == [[0, 2, 0], [0, 2, 1]]  # 1, 2 and 0 pixels, 1, 2 and 0
    assert small.boxes[0].tolist() == [[2, 1, 3, 2], [1, 0, 2, 2]]


@pytest.mark.parametrize("shrink", [2, 3, 4, 5])
def test_blocks_vote_wherever_in_a_block_their_pixels_lie(tmp_path, shrink):
    """Counted block by block: of as frequent numbers the lowest above 0."""
    mask = np.random.default_rng(shrink).integers(0, 4, (11, 14))
    for folder, pixels in (("images", np.zeros((11, 14, 3))), ("masks", mask)):
        (tmp_path / folder).mkdir()
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / folder / "a.png")
    names = ("ground", "one", "two", "three")
    small = read_masks(
        tmp_path / "images", tmp_path / "masks", names, "classes", shrink=shrink
    ).masks[0]
    for (row, column), number in np.ndenumerate(small):
        block = mask[shrink * row :, shrink * column :][:shrink, :shrink].ravel().tolist()
        most = [k for k in range(4) if block.count(k) == max(map(block.count, block))]
        assert number == next(iter([k for k in most if k] or [0]))


def mask_of_another_size(images, masks):
    grey_16_bits(masks / "a.png", np.ones((6, 4)))


def no_mask(images, masks):
    (masks / "a.png").unlink()


def coloured_mask(images, masks):
    picture(masks / "a.png", (6, 4))


def jpeg_mask(images, masks):
    Image.fromarray(np.ones((4, 6), np.uint8)).save(masks / "a.png", "JPEG")


def half_a_mask(images, masks):
    path = masks / "a.png"
    path.write_bytes(path.read_bytes()[:-30])


def picture_of_16_bits(images, masks):
    grey_16_bits(images / "a.png", INSTANCES)


FAULTY_MASKS = {
    mask_of_another_size: r"a\.png is 4x6 pixels \(width x height\), and its picture 6x4",
    no_mask: r"images/a\.png has no mask in .*masks",
    coloured_mask: r"the mask .*a\.png cannot be read: it has 3 channels, and a mask has one",
    jpeg_mask: r"a\.png cannot be read: its content is no PNG",
    half_a_mask: r"the mask .*a\.png cannot be read",
    picture_of_16_bits: r"images/a\.png cannot be decoded: it has more than 8 bits",
}


@pytest.mark.parametrize("damage", FAULTY_MASKS)
def test_a_faulty_mask_is_named_or_dropped(masked, damage, fault):
    fault(damage.__name__.replace("_", " "))
    damage(*masked)
    with pytest.raises(DataError, match=FAULTY_MASKS[damage]):
        read_masks(*masked)
    read = read_masks(*masked, faults="drop")
    assert read.names == ("b",) and len(read.dropped) == 1


def test_a_mask_without_a_picture_or_an_object_without_a_pixel(masked):
    images, masks = masked
    grey_16_bits(masks / "c.png", INSTANCES)
    (masks / "b.png").unlink()
    grey_16_bits(masks / "b" / "1.png", np.zeros((4, 6)))
    grey_16_bits(masks / "b" / "2.png", np.ones((4, 6)))
    with pytest.raises(DataError, match=r"c\.png has no picture in .*1\.png has no pixel above 0"):
        read_masks(images, masks)
    read = read_masks(images, masks, faults="drop")
    assert read.names == ("a", "b") and read.boxes[1].tolist() == [[0, 0, 6, 4]]


def test_two_masks_for_one_picture_are_refused(masked):
    grey_16_bits(masked[1] / "a" / "1.png", INSTANCES)
    with pytest.raises(DataError, match="holds two masks for 'a': keep one"):
        read_masks(*masked, faults="drop")


def test_an_object_behind_another_is_a_fault(masked):
    images, masks = masked
    (masks / "b.png").unlink()
    for name in "12":
        grey_16_bits(masks / "b" / f"{name}.png", np.ones((4, 6)))
    with pytest.raises(DataError, match=r"1\.png lies wholly behind others"):
        read_masks(images, masks)
    assert read_masks(images, masks, faults="drop").boxes[1].tolist() == [[0, 0, 6, 4]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "panoptic"}, "kind is 'panoptic'"),
        ({"classes": ("a", "b")}, r"classes \('a', 'b'\): give 'instances' and one name"),
        ({"masks": "nowhere"}, "nowhere is no folder: correct masks="),
        ({"images": "nowhere"}, "nowhere is no folder"),
    ],
)
def test_a_bad_argument_for_masks_is_named(masked, arguments, message):
    with pytest.raises(DataError, match=message):
        read_masks(**{"images": masked[0], "masks": masked[1], **arguments})


# ---------------------------------------------------------------- splits and the lock


def scenes(n=10, names=None):
    images, masks, boxes, labels = make_scenes(n, size=32, objects=(1, 3))
    names = tuple(names or (f"{i:03}" for i in range(n)))
    return Annotated(
        names, images, tuple(boxes), tuple(labels), masks, SCENE_CLASSES, f"{n} pictures"
    )


def test_a_part_holds_the_rows_of_all_columns():
    whole = scenes()
    part = whole.take(np.array([7, 2]))
    assert part.names == ("007", "002") and len(part) == 2
    for i, row in enumerate((7, 2)):
        np.testing.assert_array_equal(part.images[i], whole.images[row])
        np.testing.assert_array_equal(part.masks[i], whole.masks[row])
        np.testing.assert_array_equal(part.boxes[i], whole.boxes[row])
        np.testing.assert_array_equal(part.labels[i], whole.labels[row])
    assert part.provenance == "2 of 10 pictures"
    assert whole.take(slice(3)).names == ("000", "001", "002")


def test_the_split_follows_the_names_whatever_their_order():
    """`printf j | sha256sum` and so on: 189f…, 18ac… and 252f… for j, d and f are the lowest."""
    names = "abcdefghij"
    most, others = split_by_name(scenes(names=names), 0.3)
    again = split_by_name(scenes(names=names[::-1]), 0.3)
    assert set(others.names) == set(again[1].names) == set("dfj")
    assert sorted(most.names + others.names) == list(names)
    assert [len(part) for part in split_by_name(scenes(2), 0.01)] == [1, 1]
    for share in (0, 1, float("nan")):
        with pytest.raises(DataError, match="share is"):
            split_by_name(scenes(2), share)
    with pytest.raises(DataError, match="two pictures or more can be split, not 1"):
        split_by_name(scenes(1), 0.5)


def test_the_test_part_is_locked_and_every_opening_counted():
    train, test = split_by_name(scenes(), 0.3)
    data = make_splits("made", "made", "by hand", train, train.take(slice(2)), test)
    assert isinstance(data.test, Locked) and len(data.test) == 3
    assert data.test.shape == (3, 32, 32, 3)
    with pytest.raises(DataError, match="the test set is locked, and the purpose given is ''"):
        data.test.open("")
    assert data.test.openings == []
    part = data.test.rows(np.array([2]))
    assert part.open("look").names == test.names[2:]
    found = data.test.open("confirm the choice")
    assert found is test and found.masks is not None
    assert [one["purpose"] for one in data.test.openings] == ["look", "confirm the choice"]
    assert "array" not in repr(data.test)
    assert data.provenance == "made, 7 training, 2 validation and 3 test pictures: by hand."


def test_the_fingerprint_follows_everything():
    train, test = split_by_name(scenes(), 0.3)

    def digest(test):
        return make_splits("made", "made", "by hand", train, train, test).fingerprint

    changed = [test.take(np.array([1, 0, 2]))]
    for column in ("images", "masks", "boxes", "labels"):
        part = split_by_name(scenes(), 0.3)[1]
        array = getattr(part, column)[0]
        array[0] = array[0] + 1
        changed.append(part)
    assert len({digest(test), *map(digest, changed)}) == 6
    assert digest(split_by_name(scenes(), 0.3)[1]) == digest(test)


# ---------------------------------------------------------------- cells


def test_without_a_folder_scenes_stand_in_and_say_so():
    data = load_cells("nuclei", n_scenes=(5, 2, 3))
    assert data.name == "scenes" and data.class_names == SCENE_CLASSES
    assert data.provenance == (
        "scenes drawn by code, 5 training, 2 validation and 3 test pictures: CELLS_DIR is not set, "
        "so they stand in for 'nuclei'."
    )
    test = data.test.open("look")
    parts = (data.train, data.validation, test)
    assert [part.images.shape for part in parts] == [(n, 96, 96, 3) for n in (5, 2, 3)]
    pictures = [image.tobytes() for part in parts for image in part.images]
    assert len(set(pictures)) == 10
    more = load_cells("scenes", n_scenes=(8, 2, 3))
    np.testing.assert_array_equal(more.train.images[:5], data.train.images)
    np.testing.assert_array_equal(more.test.open("compare").images, test.images)
    assert more.provenance.endswith(": asked for by name.")


def write_nuclei(root):
    for part, n in (("train", 10), ("test", 2)):
        for i in range(n):
            picture(root / "nuclei" / part / "images" / f"{i:03}.png", (6, 4), seed=i)
            grey_16_bits(root / "nuclei" / part / "labels" / f"{i:03}.png", INSTANCES)


def test_cells_are_read_from_the_folder_that_is_named(tmp_path, monkeypatch):
    write_nuclei(tmp_path)
    monkeypatch.setenv("CELLS_DIR", str(tmp_path))
    data = load_cells("nuclei")
    assert data.provenance == (
        "nuclei (BBBC038), 8 training, 2 validation and 2 test pictures: the folder named by "
        "CELLS_DIR."
    )
    assert data.class_names == ("nucleus",) and data.train.masks.shape == (8, 4, 6)
    monkeypatch.delenv("CELLS_DIR")
    named = load_cells("nuclei", tmp_path)
    assert named.provenance.endswith(": the folder given as source.")
    assert named.fingerprint == data.fingerprint
    assert named.validation.names == data.validation.names
    with pytest.raises(DataError, match="holds no folder 'blood_cells': correct source= or CELLS_"):
        load_cells("blood_cells", tmp_path)


def test_blood_cells_come_in_the_lists_of_the_set(voc, tmp_path):
    voc.rename(tmp_path / "blood_cells")
    root = tmp_path / "blood_cells"
    rewrite(root, [("RBC", 1, 1, 4, 4), ("RBC", 5, 5, 5, 5), ("WBC", 2, 2, 9, 9)], "a")
    rewrite(root, [("RBC", 1, 1, 10, 9), ("RBC", 1, 1, 10, 10)], "b")
    for split, name in (("train", "a"), ("val", "b"), ("test", "c")):
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text(name)
    data = load_cells("blood_cells", tmp_path)
    assert data.class_names == ("RBC", "WBC", "Platelets")
    assert data.train.labels[0].tolist() == [0, 1] and len(data.validation.boxes[0]) == 1
    assert ", 2 faults of the labels left out: " in data.provenance
    assert [" has no size" in fault for fault in data.dropped] == [True, False]
    assert str(tmp_path) not in "".join(data.dropped)
    with pytest.raises(DataError, match="has no size"):
        load_cells("blood_cells", tmp_path, faults="refuse")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "cells"}, "unknown set 'cells': use one of nuclei, blood_cells, scenes"),
        ({"n_scenes": (1, 2)}, r"n_scenes is \(1, 2\)"),
        ({"n_scenes": 5}, "n_scenes is 5"),
        ({"n_scenes": (1, 0, 1)}, "n is 0; pass an integer"),
        ({"shrink": -1}, "shrink is -1"),
        ({"faults": "keep"}, "faults is 'keep'"),
    ],
)
def test_a_bad_argument_for_cells_is_named(arguments, message):
    with pytest.raises(DataError, match=message):
        load_cells(**{"name": "scenes", **arguments})


def test_a_folder_that_is_set_but_missing_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("CELLS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="nowhere holds no folder 'nuclei'"):
        load_cells("nuclei")


# ---------------------------------------------------------------- the real ones

needs_cells = pytest.mark.skipif(not REAL, reason="the microscope pictures are not in CELLS_DIR")


@needs_cells
def test_the_real_nuclei():
    data = load_cells("nuclei", REAL)
    test = data.test.open("count")
    assert [len(part) for part in (data.train, data.validation, test)] == [202, 50, 82]
    assert data.train.images.shape == (202, 256, 256, 3) and data.dropped == ()
    root = Path(REAL) / "nuclei" / "test"
    for i, name in enumerate(test.names):
        stored = np.asarray(Image.open(root / "labels" / f"{name}.png"))
        np.testing.assert_array_equal(test.masks[i], stored)
        assert len(test.boxes[i]) == stored.max()


@needs_cells
def test_the_real_blood_cells():
    """Two boxes of no size, and eight pairs of one class that share four fifths and more."""
    data = load_cells("blood_cells", REAL, shrink=4)
    test = data.test.open("count")
    parts = data.train, data.validation, test
    assert [len(part) for part in parts] == [205, 87, 72]
    assert test.images.shape == (72, 120, 160, 3)
    kinds = ["no size" if "no size" in fault else "twice" for fault in data.dropped]
    assert (kinds.count("no size"), kinds.count("twice")) == (2, 8)
    labels = np.concatenate([labels for part in parts for labels in part.labels])
    # The XML files hold 4155, 372 and 361.
    assert np.bincount(labels).tolist() == [4155 - 10, 372, 361]
