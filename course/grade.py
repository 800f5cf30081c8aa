"""Grade a folder of submitted notebooks: `make grade SUBMISSIONS=folder`."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from course.grading.asking import Limits
from tta_helpers.workbook.command import add_common, add_where, cluster_of, exit_status, positive
from tta_helpers.workbook.place import ROOT, RunError, named_folder

USUAL = Limits()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status: 0 if every notebook has its marks."""
    parser = argparse.ArgumentParser(prog="python -m course.grade", description=__doc__)
    parser.add_argument("submissions", help="student.ipynb, or a folder a student")
    parser.add_argument("--name", help="folder in runs/ (grades_ and the submissions' name)")
    parser.add_argument("--roster", help="roster.csv of a homework, with everybody's seed")
    for name, what in (("cell", "a cell and its check"), ("total", "all cells")):
        parser.add_argument(
            f"--{name}-seconds",
            type=positive,
            default=getattr(USUAL, name),
            help=f"the most {what} may take (%(default)g)",
        )
    parser.add_argument(
        "--memory", type=positive, default=USUAL.memory, help="megabytes a kernel (%(default)d)"
    )
    add_where(parser)
    add_common(parser)
    options = parser.parse_args(arguments)
    return exit_status(lambda: _command(options), traceback=options.traceback)


def _command(options: argparse.Namespace) -> int:
    """Grade, and tell how it went."""
    if not options.submissions:
        raise RunError("SUBMISSIONS is ''; name a folder with submitted notebooks.")
    cluster = cluster_of(options)
    from course.grading.batch import NOT_GRADED, grade  # it needs Dask
    from course.homework import read_roster

    folder = Path(options.submissions).expanduser().resolve()
    out = named_folder(options.name or f"grades_{folder.name}")
    limits = Limits(options.cell_seconds, options.total_seconds, round(options.memory))
    roster = read_roster(Path(options.roster).expanduser()) if options.roster else {}
    marks = grade(folder, out, cluster, limits, roster)
    count = Counter(one.status for one in marks)
    print(", ".join(f"{n} {status}" for status, n in sorted(count.items())), end="; ")
    print(f"{out.relative_to(ROOT)}/grades.csv and feedback/ are written.")
    return 1 if count[NOT_GRADED] else 0


if __name__ == "__main__":
    sys.exit(main())
