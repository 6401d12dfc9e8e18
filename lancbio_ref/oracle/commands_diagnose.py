"""``lancbio-ref diagnose``: one's own hyper-gradient, on one's own problem."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError
from .diagnosis import diagnose

DESCRIPTION = """\
Say whether a hyper-gradient that your own program computed is right, and if not, where the error arises and which known
fault gives just these numbers.

MODULE:FUNCTION is called without arguments and returns a dict
  problem        a lancbio_ref.BilevelProblem with right derivatives (problem.check tells), or one made by
                 lancbio_ref.adapters.jax.problem or lancbio_ref.adapters.torch.problem
  x, h           where, and the hyper-gradient found there
  y, v           optional: what your program had for y*(x) and for the solution of A v = b; then the error is split into
                 formula, linear system and lower level
  mu             optional: as in lancbio_ref.hypergradient
The module is looked for in the current folder first."""

EPILOG = """\
exit status
  0    h is right to --rtol
  1    it is not, or the bounds are too wide to tell
  2    it could not be tried; one line on the error output says why

example
  lancbio-ref diagnose mine:at_the_start"""

NEEDED, OPTIONAL = ("problem", "x", "h"), ("y", "v", "mu")


def add_parser(
    commands: Any, formatter: type[argparse.HelpFormatter] = argparse.RawDescriptionHelpFormatter
) -> argparse.ArgumentParser:
    """Add the command to the subparsers of ``lancbio-ref``."""
    parser = commands.add_parser(
        "diagnose",
        help="say whether your own hyper-gradient is right on your own problem",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=formatter,
    )
    parser.add_argument("case", metavar="MODULE:FUNCTION", help="what returns problem, x and h")
    parser.add_argument("--rtol", type=float, metavar="R", help="relative error that is right (1e-6; float32: 1e-3)")
    return parser


def run(given: dict[str, Any]) -> tuple[int, str]:
    """The exit status and the report."""
    case = _case(given["case"])
    found = diagnose(case.pop("problem"), case.pop("x"), case.pop("h"), rtol=given["rtol"], **case)
    return (0 if found.right else 1), str(found)


def _case(name: str) -> dict[str, Any]:
    """What the function returns, looked at."""
    module, _, function = name.partition(":")
    if not module or not function:
        raise ArgumentError("MODULE:FUNCTION", repr(name), "a module and a function in it, with a colon between")
    sys.path.insert(0, "")
    try:
        case = getattr(importlib.import_module(module), function)()
    except Exception as error:
        raise ArgumentError(
            "MODULE:FUNCTION", f"{name} ({type(error).__name__}: {error})", "a function that runs"
        ) from error
    finally:
        sys.path.remove("")
    if not isinstance(case, Mapping):
        raise ArgumentError(name, f"a {type(case).__name__}", f"a dict with {', '.join(NEEDED)}")
    for key in NEEDED:
        if key not in case:
            raise ArgumentError(name, f"a dict with {', '.join(map(str, case)) or 'nothing'}", f"{key} in it too")
    for key in case:
        if key not in NEEDED + OPTIONAL:
            raise ArgumentError(name, f"{key!r} in its dict", f"only {', '.join(NEEDED + OPTIONAL)}")
    return dict(case)
