"""The command line: words come in, what they ask for is done, a message goes out.

It knows how to ask the rooms below, and does not know anything that they do not.
"""

from __future__ import annotations

import sys
import traceback
from typing import NoReturn

import typer

from ..errors import RegnasError
from ..extras import missing_extra
from . import bench, deploy, flips
from .commands import app

__all__ = ["app", "deploy", "flips", "main"]

app.add_typer(bench.app, name="bench")

UsageError = typer.BadParameter.__base__  # of click, or of the copy that typer has of it
NEEDS = {
    "reproduce": ("search", "notebooks"),
    "plan": ("search", "notebooks"),
    "deploy": ("search", "deploy"),
}  # extras of a command; of others than flips, "search"


def main() -> None:
    """Run the command line; errors that were foreseen are one message, not a traceback."""
    try:
        sys.exit(app(standalone_mode=False))
    except UsageError as error:
        error.show()
        sys.exit(_code(error.exit_code))
    except typer.Abort:
        sys.exit(130)
    except ModuleNotFoundError as error:
        command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        if (missing := missing_extra(error, f"regnas {command}", NEEDS.get(command, ("search",)))) is None:
            _unforeseen(error)
        else:
            _fail(missing)
    except RegnasError as error:
        _fail(error)
    except Exception as error:
        _unforeseen(error)


def _fail(error: RegnasError) -> NoReturn:
    typer.echo(f"Error: {error}", err=True)
    sys.exit(_code(1))


def _unforeseen(error: Exception) -> NoReturn:
    """Python would end with 1, which of `regnas flips` says that a candidate fails."""
    if sys.argv[1:2] != ["flips"]:
        raise error
    from ..flips.gate.limits import BROKEN

    traceback.print_exception(error)
    sys.exit(BROKEN)


def _code(usual: int) -> int:
    """Exit code of bad input: of `regnas flips` others than the usual ones, which are verdicts there."""
    if sys.argv[1:2] != ["flips"]:
        return usual
    from ..flips.gate.limits import USAGE

    return USAGE
