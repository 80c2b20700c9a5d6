"""The gate: answers of an old and a new model come in, a verdict with its reasons and pages go out.

For who ships models. It counts with :mod:`regnas_core.flips` and knows of no network, no search and no
preset; it runs where torch is not installed.
"""

from ..tables import Table, read_table
from .answers import Answers, Items, join
from .command import assert_no_regression, gate
from .html import as_html
from .judging import Candidate, Slice
from .limits import BROKEN, EXIT, USAGE, Limits, rate, read_ids, read_policy
from .pages import as_json, as_junit, as_markdown, as_text
from .release import Release, compare, flipped

__all__ = [
    "BROKEN",
    "EXIT",
    "USAGE",
    "Answers",
    "Candidate",
    "Items",
    "Limits",
    "Release",
    "Slice",
    "Table",
    "as_html",
    "as_json",
    "as_junit",
    "as_markdown",
    "as_text",
    "assert_no_regression",
    "compare",
    "flipped",
    "gate",
    "join",
    "rate",
    "read_ids",
    "read_policy",
    "read_table",
]
