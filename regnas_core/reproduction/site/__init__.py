"""The site: notebooks as they were recorded, lessons, explorer, guides and the names of the core, as pages.

Stored outputs come in, a folder that opens from the disk goes out; nothing is run, nothing is fetched.
"""

from .build import build_site
from .links import broken_links

__all__ = ["broken_links", "build_site"]
