"""What TTA costs on this machine: `make bench` measures it, side by side in one run."""
