"""Write the explorer: ``python -m regnas_core.reproduction.explorer --out site/explorer.html``."""

from __future__ import annotations

import argparse
from pathlib import Path

from .build import write_explorer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("site/explorer.html"), help="the page")
    parser.add_argument(
        "--table", action="append", default=[], help="a table, as demo-0 or a file; all by default"
    )
    parser.add_argument("--images", type=int, help="images of each split, of every table")
    given = parser.parse_args()
    page = write_explorer(given.out, given.table, images=given.images)
    print(f"Page: {page}, {page.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
