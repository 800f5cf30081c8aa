"""Build the site into build/site: `make site`."""

import shutil
import subprocess
import sys
from pathlib import Path

import decks
import elsewhere
from sphinx.cmd.build import build_main
from stage import ROOT, SOURCE, notebooks, stage

SITE, NEW, TREES = (ROOT / "build" / name for name in ("site", "site-new", "site-trees"))


def main() -> int:
    """Build from nothing, every warning an error; the site that was there goes only then."""
    try:
        elsewhere.repository()
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for folder in (SOURCE, NEW, TREES, decks.SOURCE, decks.BUILT):
        shutil.rmtree(folder, ignore_errors=True)
    stage(SOURCE)
    decks.stage()
    how = ["-b", "dirrevealjs", "-W", "-n", "-q", "-c", str(decks.HERE / "deck")]
    command = [sys.executable, "-W", "ignore", "-m", "sphinx", *how]
    slides = subprocess.Popen([*command, str(decks.SOURCE), str(decks.BUILT)])  # beside the pages
    where = ["-c", str(Path(__file__).parent), "-d", str(TREES), str(SOURCE), str(NEW)]
    status = build_main(["-b", "html", "-W", "--keep-going", "-n", "-q", "-j", "auto", *where])
    status = slides.wait() or status
    if status == 0:
        decks.take(NEW)
        for path in NEW.rglob("*.map"):  # for those who mend the theme's scripts; two megabytes
            path.unlink()
        elsewhere.write(ROOT / "build" / elsewhere.COPIES, notebooks(ROOT), ROOT)
        shutil.rmtree(SITE, ignore_errors=True)
        NEW.rename(SITE)
        print(f"The site is built: open {SITE.relative_to(ROOT) / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
