"""What TTA costs on this machine: `make bench` measures it, side by side in one run."""

from tta_helpers import quiet as quiet  # first: it starts Keras and its backend quietly
