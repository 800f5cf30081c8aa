"""Grade 200 notebooks of every kind, kill the grader once, and say in docs/grading.md how it went.

`.venv/bin/python tests/grade_class.py`; some minutes.
"""

import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import submitted

from course.grading.marking import Marks
from tta_helpers.workbook.place import ROOT, write_whole
from tta_helpers.workbook.publishing import with_section

N, NAME = 200, "grades_class"
FOLDER, OUTSIDE = ROOT / "build" / "class", ROOT / "build" / "outside"
OUT = ROOT / "runs" / NAME
COMMAND = [sys.executable, "-W", "ignore", "-m", "course.grade", str(FOLDER), "--name", NAME]


def kept():
    """Return the marks that lie there, by the place of their notebook."""
    found = {}
    for path in OUT.glob("marks/**/*.json"):
        place = path.relative_to(OUT / "marks").with_suffix(".ipynb").as_posix()
        found[place] = json.loads(path.read_text(encoding="utf-8"))["marks"]
    return found


def killed_in_the_middle():
    """Start grading, and kill it when a third is done; return how many had their marks."""
    grader = subprocess.Popen(COMMAND, cwd=ROOT)
    while len(kept()) < N // 3 and grader.poll() is None:
        time.sleep(0.5)
    grader.send_signal(signal.SIGKILL)
    grader.wait()
    return len(kept())


def faults(due):
    """Return all that is not as it should be, one line each."""
    marks = {place: Marks(**told) for place, told in kept().items()}
    found = [f"{place} has no marks" for place in due if place not in marks]
    for place, one in marks.items():
        found += [f"{place}: {line}" for line in submitted.faults_of(due[place], one)]
        if not (OUT / "feedback" / place).with_suffix(".md").is_file():
            found.append(f"{place} has no feedback")
    with (OUT / "grades.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if sum(int(row["passed"]) for row in rows) != sum(one.passed for one in due.values()):
        found.append("grades.csv has another sum of passed checks")
    if len(rows) != len(due):
        found.append(f"grades.csv has {len(rows)} rows for {len(due)} notebooks")
    return found + [f"{path} was written" for path in OUTSIDE.iterdir()]


def computed():
    """Return the seconds of computing of all processes started here that have been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def told(due, minutes, before, each):
    """Return what the page says."""
    marks = list(kept().values())
    seconds = sorted(one["seconds"] for one in marks)
    status = Counter(one["status"] for one in marks)
    passed = sum(one.passed for one in due.values())
    asked = sum(len(one.verdicts) for one in due.values())
    return (
        f"{len(due)} notebooks took {minutes:.0f} minutes on {os.cpu_count()} cores with a load of "
        f"{os.getloadavg()[2]:.0f} from this and other work, {each:.1f} s of computing each; the "
        f"grader was killed once after {before} of them and started again. {status['complete']} "
        f"ran to their end, {status['stopped']} had a cell ended, {status['unreadable']} were no "
        f"notebooks. Half of them took less than {seconds[len(seconds) // 2]:.1f} s, the longest "
        f"{seconds[-1]:.0f} s. {passed} of {asked} checks passed, those that should; every other "
        "answer got the words that it was due, nothing was lost, and nothing was written elsewhere."
    )


def main():
    """Grade the class; return 1 if anything was not as it should be."""
    for folder in (FOLDER, OUTSIDE, OUT):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in (FOLDER, OUTSIDE):
        folder.mkdir(parents=True)
    due = submitted.hand_in_all(FOLDER, N, OUTSIDE)
    start = time.monotonic()
    before = killed_in_the_middle()
    used = computed()
    subprocess.run(COMMAND, cwd=ROOT, check=True)
    each = (computed() - used) / (N - before)
    minutes = (time.monotonic() - start) / 60
    if found := faults(due):
        print("\n".join(found), file=sys.stderr)
        return 1
    text = told(due, minutes, before, each)
    page = ROOT / "docs" / "grading.md"
    write_whole(page, with_section(page, "class", f"{text}\n"))
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
