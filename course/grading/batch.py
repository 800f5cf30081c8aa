"""Grading a folder: what is not marked yet on the workers of a sweep, then table and feedback."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from stat import S_ISREG
from types import MappingProxyType

from course.grading import confining, table
from course.grading.asking import Limits
from course.grading.marking import Marks, mark
from course.grading.submissions import MOST_BYTES, Submission, find, one_line
from tta_helpers.workbook.clusters import Cluster
from tta_helpers.workbook.data import file_sha256
from tta_helpers.workbook.digests import digest, package_digest
from tta_helpers.workbook.place import ROOT, RunError, locked, write_csv, write_whole
from tta_helpers.workbook.sweeping import execute_all

NOT_GRADED, NOTHING = "not graded", "nothing handed in"


@dataclass(frozen=True)
class Job:
    """One submission to mark: where its marks go, and the key of what they depend on."""

    submission: Submission
    limits: Limits
    kept: Path
    key: str

    @property
    def label(self) -> str:
        """Return the submission in one line."""
        return one_line(str(self.submission.place))

    def marks(self) -> Marks | None:
        """Return the marks, if there are any for this key."""
        try:
            found = json.loads(self.kept.read_text(encoding="utf-8"))
            return Marks(**found["marks"]) if found["key"] == self.key else None
        except (OSError, ValueError, TypeError, KeyError):
            return None


def grade(
    folder: Path,
    out: Path,
    cluster: Cluster,
    limits: Limits,
    roster: Mapping[str, int] = MappingProxyType({}),
) -> list[Marks]:
    """Mark the notebooks in a folder that have no marks yet; write grades.csv and the feedback.

    Parameters
    ----------
    folder
        The submissions: `student.ipynb`, or a folder a student.
    out
        The folder for the table, feedback/ and the marks that a second call goes on with.
    cluster
        Where to run.
    limits
        What a submission may take.
    roster
        Everybody's seed, which homework is graded with. Who has handed in nothing gets a row too.

    Raises
    ------
    RunError
        If there is nothing to grade, submissions cannot be shut in here, another call is at work in
        the folder, or no worker is to be had.
    """
    try:
        confining.check()
    except confining.CannotConfine as error:
        raise RunError(
            f"Submissions are other people's code, and run only where they can be shut in; {error}."
        ) from error
    submissions = find(folder, roster)
    with locked(out):
        jobs = [_job(submission, out, limits) for submission in submissions]
        waiting = {digest(job.label)[:16]: job for job in jobs if not job.marks()}
        done = len(jobs) - len(waiting)
        print(f"{folder.name}: {len(jobs)} notebooks, {done} of them graded already.", flush=True)
        work = partial(_mark, code=course_digest())
        failures = execute_all(work, waiting, cluster, "grade") if waiting else {}
        marks = [job.marks() or _not_graded(job, failures) for job in jobs]
        there = {submission.student for submission in submissions}
        missing = [Marks(name, status=NOTHING) for name in roster if one_line(name) not in there]
        _write(out, jobs, marks, missing)
    return marks + missing


def _job(submission: Submission, out: Path, limits: Limits) -> Job:
    kept = out / "marks" / submission.place.with_suffix(".json")
    about = submission.path.lstat()
    content = f"{about.st_mode} {about.st_size} {about.st_mtime_ns}"
    if S_ISREG(about.st_mode) and about.st_size <= MOST_BYTES:
        with suppress(OSError):  # of which its marks will tell
            content = file_sha256(submission.path)
    key = digest(course_digest(), content, json.dumps(asdict(limits)), str(submission.seed))
    return Job(submission, limits, kept, key)


def _mark(job: Job, code: str) -> float:
    """Mark a submission on a worker and keep the marks; return the seconds."""
    if code != course_digest():
        raise RunError("This worker has another version of the workbook: update it.")
    marks = mark(job.submission, job.limits)
    job.kept.parent.mkdir(parents=True, exist_ok=True)
    write_whole(job.kept, json.dumps({"key": job.key, "marks": asdict(marks)}, indent=1) + "\n")
    return marks.seconds


@cache
def course_digest() -> str:
    """Return a digest of what marks depend on: the course's code and data, and the package's."""
    files = sorted([*(ROOT / "course").rglob("*.py"), *(ROOT / "course").glob("*.npz")])
    return package_digest(*map(file_sha256, files))


def _not_graded(job: Job, failures: dict[str, str]) -> Marks:
    why = failures.get(job.label, "its marks were lost; the same command grades it again")
    return Marks(job.submission.student, status=NOT_GRADED, notes=[one_line(why)])


def _write(
    out: Path, jobs: Sequence[Job], marks: Sequence[Marks], missing: Sequence[Marks]
) -> None:
    """Write feedback and table, the table last."""
    for job, one in zip(jobs, marks, strict=True):
        path = out / "feedback" / job.submission.place.with_suffix(".md")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, table.feedback(one))
    write_csv(out / "grades.csv", [table.row(one) for one in (*marks, *missing)])
