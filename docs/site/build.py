"""Build the site into build/site: `make site`."""

import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main
from stage import ROOT, SOURCE, stage

SITE, NEW, TREES = (ROOT / "build" / name for name in ("site", "site-new", "site-trees"))


def main() -> int:
    """Build from nothing, every warning an error; the site that was there goes only then."""
    for folder in (SOURCE, NEW, TREES):
        shutil.rmtree(folder, ignore_errors=True)
    stage(SOURCE)
    where = ["-c", str(Path(__file__).parent), "-d", str(TREES), str(SOURCE), str(NEW)]
    status = build_main(["-b", "html", "-W", "--keep-going", "-n", "-q", "-j", "auto", *where])
    if status == 0:
        shutil.rmtree(SITE, ignore_errors=True)
        NEW.rename(SITE)
        print(f"The site is built: open {SITE.relative_to(ROOT) / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
