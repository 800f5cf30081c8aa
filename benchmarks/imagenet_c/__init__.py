"""Table 4 of Kim, Kim and Kim 2020, TTA on ImageNet-C; never run on ImageNet by its authors."""
