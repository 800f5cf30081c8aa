"""Write expected.npz: random boxes, and what ensemble-boxes and pycocotools make of them.

The workbook needs neither of the two. In an environment of its own:
`pip install ensemble-boxes==1.0.9 pycocotools==2.0.11`, then `python make_expected.py`.
"""

import contextlib
import io
from pathlib import Path

import numpy as np
from ensemble_boxes import nms, weighted_boxes_fusion
from ensemble_boxes.ensemble_boxes_nms import cpu_soft_nms_float
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SEED, N_VIEWS, N_CLASSES = 20261126, 5, 3
WEIGHTS = [3.0, 1.0, 2.0, 0.5, 1.0]


def scene(rng, n_objects, n_stray, jitter):
    """Return (true boxes, labels, a function that draws what a detector makes of them)."""
    corner, size = rng.uniform(0.02, 0.75, (n_objects, 2)), rng.uniform(0.05, 0.2, (n_objects, 2))
    true, labels = np.hstack([corner, corner + size]), rng.integers(0, N_CLASSES, n_objects)

    def detect():
        found = rng.random(n_objects) < 0.85
        near = true[found] + rng.normal(0, jitter, (found.sum(), 4)) * np.tile(size[found], 2)
        stray = rng.uniform(0.02, 0.75, (n_stray, 2))
        boxes = np.vstack([near, np.hstack([stray, stray + rng.uniform(0.05, 0.2, (n_stray, 2))])])
        scores = np.concatenate([rng.beta(5, 2, len(near)), rng.beta(2, 4, n_stray)])
        names = np.concatenate([labels[found], rng.integers(0, N_CLASSES, n_stray)])
        return np.clip(boxes, 0, 1).round(4), scores, names

    return true, labels, detect


def merged(rng):
    """Return the pooled boxes of one picture, and what each merge rule leaves of them."""
    _, _, detect = scene(rng, 20, 6, 0.12)
    lists = [list(part) for part in zip(*(detect() for _ in range(N_VIEWS)), strict=True)]
    pooled = dict(zip(("boxes", "scores", "labels"), map(np.concatenate, lists), strict=True))
    pooled["views"] = np.repeat(np.arange(N_VIEWS), [len(scores) for scores in lists[1]])
    results = {
        "nms": nms(*lists, iou_thr=0.5),
        "fused": weighted_boxes_fusion(*lists, iou_thr=0.55),
        "weighted": weighted_boxes_fusion(*lists, weights=WEIGHTS, iou_thr=0.4),
        "linear": soft(pooled, 1, 0.3),
        "gaussian": soft(pooled, 2, 0.3),
    }
    for rule, parts in results.items():
        order = np.argsort(-parts[1], kind="stable")
        for name, part in zip(("boxes", "scores", "labels"), parts, strict=True):
            pooled[f"{rule}_{name}"] = part[order]
    return pooled


def soft(pooled, method, threshold):
    """Return what soft-NMS keeps, with the lowered scores, which its own caller does not return."""
    parts = []
    for label in range(N_CLASSES):
        ours = pooled["labels"] == label
        boxes, scores = pooled["boxes"][ours], pooled["scores"][ours].copy()
        kept = cpu_soft_nms_float(boxes.copy(), scores, threshold, 0.5, 0.001, method)
        scores = scores[scores > 0.001]  # lowered, and brought into the order of `kept`
        parts.append((boxes[kept], scores, np.full(len(kept), label)))
    return tuple(map(np.concatenate, zip(*parts, strict=True)))


def judged(rng):
    """Return pictures of 200 pixels, predictions, and their precision as COCO's code counts it."""
    arrays, pictures = {}, []
    for i in range(14):
        crowded = i == 3  # more than the 100 boxes of one class that count
        true, labels, detect = scene(rng, 0 if i == 5 else 4 + i % 5, 450 if crowded else 4, 0.07)
        if i == 7:
            labels[:] = 1  # two classes are not there
        boxes, scores, names = detect()
        names = np.where(rng.random(len(names)) < 0.1, rng.integers(0, N_CLASSES), names)
        scores = (rng.permutation(scores) if crowded else scores).round(5)
        pictures.append(((200 * true).round(1), labels, (200 * boxes).round(1), scores, names))
    for j, name in enumerate(("true", "true_labels", "found", "found_scores", "found_labels")):
        arrays[name] = np.concatenate([picture[j] for picture in pictures])
    arrays["true_counts"] = np.array([len(picture[0]) for picture in pictures])
    arrays["found_counts"] = np.array([len(picture[2]) for picture in pictures])
    for decimals in (1, 5):  # with one, many scores are equal
        tied = [(*one[:3], one[3].round(decimals), one[4]) for one in pictures]
        arrays[f"precisions_{decimals}"] = coco(tied)
    arrays["draws"] = rng.integers(0, len(pictures), (3, len(pictures)))
    arrays["draws_map"] = np.array(
        [coco([pictures[i] for i in draw]).mean() for draw in arrays["draws"]]
    )
    return arrays


def coco(pictures):
    """Return the average precision at each IoU threshold of each class, (thresholds, classes)."""
    truths, found = [], []
    for i, (true, labels, boxes, scores, names) in enumerate(pictures, 1):
        for box, label in zip(true, labels, strict=True):
            truths.append({**annotation(i, box, label), "id": len(truths) + 1, "iscrowd": 0})
        for box, score, label in zip(boxes, scores, names, strict=True):
            found.append({**annotation(i, box, label), "score": float(score)})
    with contextlib.redirect_stdout(io.StringIO()):
        data = COCO()
        data.dataset = {
            "images": [{"id": i + 1} for i in range(len(pictures))],
            "categories": [{"id": label} for label in range(N_CLASSES)],
            "annotations": truths,
        }
        data.createIndex()
        judge = COCOeval(data, data.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][:, :, :, 0, 2]  # all sizes, at most 100 boxes
    assert (precision >= 0).all()
    return precision.mean(axis=1)


def annotation(picture, box, label):
    """Return a box as COCO writes it: corner, width and height."""
    x0, y0, x1, y1 = map(float, box)
    width, height = x1 - x0, y1 - y0
    return {
        "image_id": picture,
        "category_id": int(label),
        "bbox": [x0, y0, width, height],
        "area": width * height,
    }


if __name__ == "__main__":
    rng = np.random.default_rng(SEED)
    arrays = {**merged(rng), "weights": np.array(WEIGHTS), **judged(rng)}
    np.savez_compressed(Path(__file__).parent / "expected.npz", **arrays)
