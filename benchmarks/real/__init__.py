"""TTA on networks and pictures that nobody here trained or took: `make real` tells what it does."""
