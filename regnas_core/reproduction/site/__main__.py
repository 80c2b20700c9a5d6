"""Build the site: ``python -m regnas_core.reproduction.site --out site``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import broken_links, build_site


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("site"), help="the folder")
    parser.add_argument(
        "--lite", action="store_true", help="lessons that run in the browser, too (JupyterLite)"
    )
    given = parser.parse_args()
    pages = build_site(given.out, given.lite)
    if broken := broken_links(given.out):
        sys.exit("Links that lead nowhere:\n" + "\n".join(broken))
    print(f"Site: {given.out / 'index.html'}, {len(pages)} pages; every link among them leads somewhere.")


if __name__ == "__main__":
    main()
