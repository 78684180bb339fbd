"""The one way generated pages are written, or compared with what is there (`--check`, for CI)."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).parent.parent / "docs"


def main(pages: Mapping[Path, str], whole: Path | None = None) -> int:
    """Write or compare pages, given by their files; `whole` is a directory of these Markdown pages and no others.

    The exit code is 1 for `--check` of pages that are not up to date.
    """
    gone = set(whole.glob("*.md")) - pages.keys() if whole else set[Path]()
    if "--check" not in sys.argv[1:]:
        for path, text in pages.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for path in gone:
            path.unlink()
        return 0
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    for path in sorted({*stale, *gone}):
        print(f"{path.relative_to(DOCS.parent)} is out of date: run `make docs`")
    return 1 if stale or gone else 0
