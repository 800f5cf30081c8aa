"""What TTA costs on this machine: `make bench` measures it, side by side in one run."""

import tta_helpers as tta_helpers  # first: it starts Keras and its backend quietly
