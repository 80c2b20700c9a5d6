"""The explorer: tabular benchmarks come in, one page for a browser goes out.

The page holds every network of each table, right or wrong on some of its images, and the JavaScript of
``page/`` that counts, searches and draws. It needs no server, no network and no kernel. The Python of this
folder packs and puts together; it does not know what the page computes.
"""

from .build import write_explorer

__all__ = ["write_explorer"]
