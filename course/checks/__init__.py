"""Checks of the exercises: they say whether an answer is right, and which misconception if not.

    check("same_view", same_view)

Checks need NumPy and the part of `tta_helpers` that starts no backend. They draw new random input
at every call, look at the shape first, then at what any right answer must fulfil, then at the
value, and never say the value itself.
"""

from course.checks import homework, lesson_01, lesson_02, lesson_03, lesson_04, lesson_05, lesson_06
from course.checks.judging import CHECKS, HOMEWORK, RIGHT, UNANSWERED, check, verdict

__all__ = ["CHECKS", "HOMEWORK", "RIGHT", "UNANSWERED", "check", "verdict"]
# imported for what they register
del homework, lesson_01, lesson_02, lesson_03, lesson_04, lesson_05, lesson_06
