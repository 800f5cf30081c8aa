"""Runs in `.venv-bench`: a network from `pytorch.exported` in PyTorch, with ttach around it.

`pytorch_side.py FOLDER THREADS BATCH` reads steps, weights and images from the folder, writes its
outputs there, prints one line of JSON, and then waits for the name of a way on every line of its
input; it answers when it has predicted all images that way.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
import torch
import ttach
from torch import nn
from torch.nn import functional as F

ACTIVATIONS = {"linear": nn.Identity(), "relu": nn.ReLU(), "softmax": nn.Softmax(dim=1)}


class Network(nn.Module):
    """The exported network, from images (n, height, width, channels) in PyTorch's order."""

    def __init__(self, steps: list[dict], arrays: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.steps = steps
        self.arrays = nn.ParameterDict(
            {
                name.replace(".", "_"): nn.Parameter(torch.from_numpy(np.ascontiguousarray(array)))
                for name, array in arrays.items()
            }
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Follow the steps."""
        values = [images]
        for k, step in enumerate(self.steps):
            inputs = [values[i] for i in step["inputs"]]
            mine = {
                name: self.arrays[f"{k}_{name}"]
                for name in ("weight", "bias", "mean", "variance")
                if f"{k}_{name}" in self.arrays
            }
            values.append(apply(step, inputs, mine))
        return values[-1]


def apply(step: dict, inputs: list[torch.Tensor], mine: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the result of one step."""
    x = inputs[0]
    match step["kind"]:
        case "Conv2D":
            (top, bottom), (left, right) = step["padding"]
            padding = (top, left)
            if (top, left) != (bottom, right):
                x, padding = F.pad(x, (left, right, top, bottom)), 0
            x = F.conv2d(x, mine["weight"], mine.get("bias"), step["strides"], padding)
            return F.relu(x) if step["relu"] else x
        case "BatchNormalization":
            mean, variance = mine["mean"], mine["variance"]
            return F.batch_norm(
                x, mean, variance, mine["weight"], mine["bias"], eps=step["epsilon"]
            )
        case "MaxPooling2D":
            return F.max_pool2d(x, step["size"])
        case "Flatten":
            return x.flatten(1)
        case "Dense":
            x = F.linear(x, mine["weight"], mine.get("bias"))
            return ACTIVATIONS[step["activation"]](x)
        case "GlobalAveragePooling2D":
            return x.mean(dim=(2, 3))
        case "ReLU":
            return F.relu(x)
        case "Add":
            return inputs[0] + inputs[1]
        case "Rescaling":
            return x * step["scale"] + step["offset"]
    raise ValueError(f"unknown step {step}")


def main(folder: Path, n_threads: int, batch: int) -> None:
    """Predict as often as the other side asks."""
    torch.set_num_threads(n_threads)
    steps = json.loads((folder / "steps.json").read_text())
    network = Network(steps, dict(np.load(folder / "weights.npz"))).eval()
    images = torch.from_numpy(np.load(folder / "images.npy")).permute(0, 3, 1, 2).contiguous()
    batches = images.split(batch)  # in memory, in PyTorch's form: nothing of this is timed
    with_tta = ttach.ClassificationTTAWrapper(network, ttach.Compose([ttach.HorizontalFlip()]))
    ways, missing = {"eager": with_tta}, None
    with torch.inference_mode():
        outputs = torch.cat([with_tta(part) for part in batches])
        np.save(folder / "outputs.npy", outputs.numpy())
        try:
            quick = torch.compile(with_tta)
            np.testing.assert_allclose(quick(batches[0]), outputs[:batch], atol=1e-4)
            ways["torch.compile"] = quick
        except Exception as error:  # a missing compiler shows as one of many exceptions
            missing = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        versions = {name: importlib.metadata.version(name) for name in ("torch", "ttach")}
        print(
            json.dumps({"ways": list(ways), "versions": versions, "missing": missing}), flush=True
        )
        for line in sys.stdin:
            for part in batches:
                ways[line.strip()](part)
            print("done", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
