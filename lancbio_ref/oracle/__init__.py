"""The oracle: cases whose answers are proven, for whoever writes LancBiO in any language.

``load`` and ``vectors`` give the cases, ``enclose`` a proven answer for a case of your own; ``diagnose`` says of your
own hyper-gradient, on your own problem, how many digits are right, and which fault gives these numbers if it is wrong.

A name is loaded when it is asked for: the process of a candidate (`serve`) needs neither a compiler nor SciPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import fetching

if TYPE_CHECKING:  # `_HOMES` says the same to Python (tested)
    from .diagnosis import Diagnosis, Match, diagnose
    from .enclose import EnclosedHyperGradient, Intervals, enclose
    from .vector import Enclosure, Vector, load, vectors

__all__ = [
    "Diagnosis", "EnclosedHyperGradient", "Enclosure", "Intervals", "Match", "Vector", "diagnose", "enclose", "load",
    "vectors",
]  # fmt: skip

_HOMES = {
    "diagnosis": "Diagnosis Match diagnose",
    "enclose": "EnclosedHyperGradient Intervals enclose",
    "vector": "Enclosure Vector load vectors",
}
_HOME, _fetch = fetching(__name__, _HOMES)
if not TYPE_CHECKING:  # or a checker would take every name for one of ours
    __getattr__ = _fetch


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
