"""Write what the course is built from its sources: `make course`."""

import sys
from pathlib import Path

from course import copies, guiding, quizzing
from course.sources import SourceError
from tta_helpers.workbook.place import write_whole


def built() -> dict[Path, str]:
    """Return the text of every file that is built, by its path."""
    return {**copies.notebooks(), **quizzing.pages(), **guiding.pages()}


def main() -> int:
    """Write the files that have changed; return the exit status."""
    try:
        files = built()
    except (SourceError, quizzing.QuizError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path, text in files.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            write_whole(path, text)
            print(f"wrote {path.name}")
    print(f"{len(files)} files are as their sources say.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
