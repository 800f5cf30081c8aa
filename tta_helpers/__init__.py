"""Test-time augmentation for Keras 3: views, policies, and the measurements to choose between them.

Nothing is imported here: Keras and its backend start with the first module that needs them, and
quietly (see `quiet`).
"""
