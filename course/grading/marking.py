"""Marking one submission: its cells run in a kernel, its answers are checked here."""

from dataclasses import dataclass, field
from time import monotonic

from course.checks import RIGHT, verdict
from course.grading.asking import CellError, Kernel, KernelLost, Limits
from course.grading.submissions import (
    Handed,
    Step,
    Submission,
    SubmissionError,
    code_cells,
    handed_in,
    one_line,
)

COMPLETE, STOPPED, UNREADABLE = "complete", "stopped", "unreadable"
GONE = "the cell with the answer is gone."


@dataclass
class Marks:
    """What a submission is worth.

    Attributes
    ----------
    student, lesson
        Whose it is, and of which lesson; "" if that cannot be told.
    status
        "complete", "stopped" if a cell had to be ended or ended its kernel, or "unreadable".
    verdicts
        What the check says, by exercise.
    notes
        What was odd.
    seconds
        How long it took.
    """

    student: str
    lesson: str = ""
    status: str = COMPLETE
    verdicts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> int:
        """Return how many checks the submission passes."""
        return sum(said.startswith(RIGHT) for said in self.verdicts.values())


def mark(submission: Submission, limits: Limits) -> Marks:
    """Mark a submission, whatever is in it.

    Raises
    ------
    NoKernel
        If no kernel starts.
    """
    start = monotonic()
    marks = Marks(submission.student)
    try:
        handed = handed_in(code_cells(submission.path), submission.seed)
    except SubmissionError as error:
        marks.status, marks.notes = UNREADABLE, [f"Not graded: {error}."]
    else:
        marks.lesson, marks.notes = handed.lesson, handed.notes
        _Marking(handed, limits, marks, submission.seed).go()
    marks.seconds = round(monotonic() - start, 2)
    return marks


class _Marking:
    """The run of one submission, with a new kernel for what is left where one was lost."""

    def __init__(self, handed: Handed, limits: Limits, marks: Marks, seed: int | None) -> None:
        self._left, self._limits, self._marks = list(handed.steps), limits, marks
        self._seed = seed
        self._ran: list[Step] = []  # what a new kernel has to run again
        self._again = False  # whether it is at that

    def go(self) -> None:
        until = monotonic() + self._limits.total
        while self._left:
            try:
                with Kernel(self._limits, until) as kernel:
                    self._go_on(kernel)
            except KernelLost as lost:
                self._lost(str(lost), over=self._again or monotonic() >= until)

    def _go_on(self, kernel: Kernel) -> None:
        kernel.allow(self._limits.total)
        self._again = True
        for step in self._ran:
            _ran(kernel, step.source)
        self._again = False
        while self._left:
            step = self._left[0]
            kernel.allow(self._limits.cell)
            stopped = _ran(kernel, step.source)
            for name in step.exercises:
                self._marks.verdicts[name] = one_line(self._judged(kernel, name, step, stopped))
            self._ran.append(self._left.pop(0))
            if stopped and not step.exercises:
                self._marks.notes.append(
                    one_line(f"A cell without an answer stops with {stopped}.")
                )

    def _judged(self, kernel: Kernel, name: str, step: Step, stopped: str) -> str:
        """Return what the check says of the answer that a cell has left."""
        if not step.source:
            return GONE
        try:
            return verdict(name, kernel.answer(name), own=self._seed)
        except CellError as error:
            return f"not yet: the cell stops with {stopped}" if stopped else f"not yet: {error}."

    def _lost(self, why: str, over: bool) -> None:
        """Note what cost the kernel, and go on behind it, unless all is over."""
        self._marks.status = STOPPED
        step = Step("") if self._again else self._left.pop(0)
        for name in step.exercises:
            self._marks.verdicts.setdefault(name, f"not yet: the cell was ended, {why}.")
        if not step.exercises:
            self._marks.notes.append(f"A cell without an answer was ended: {why}.")
        if over:
            for step in self._left:
                self._marks.verdicts |= dict.fromkeys(step.exercises, f"not reached: {why}.")
            self._left.clear()


def _ran(kernel: Kernel, source: str) -> str:
    """Run a cell; return the error that stopped it, or ""."""
    try:
        kernel.run(source)
    except CellError as error:
        return str(error)
    return ""
