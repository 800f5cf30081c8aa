"""Grading a folder of submitted notebooks: `make grade`; docs/grading.md says how and how safely.

A submission runs in a kernel of its own that can reach neither the grader nor another submission.
Checks stay in the grader, which asks the kernel for answers and calls them across the line between
the two. So a kernel never says whether it is right; it can only answer.
"""
