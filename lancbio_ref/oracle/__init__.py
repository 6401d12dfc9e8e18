"""The oracle: cases whose answers are proven, for whoever writes LancBiO in any language.

``load`` and ``vectors`` give the cases, ``enclose`` a proven answer for a case of your own; ``diagnose`` says of your
own hyper-gradient, on your own problem, how many digits are right, and which fault gives these numbers if it is wrong.
"""

from .diagnosis import Diagnosis, Match, diagnose
from .enclose import EnclosedHyperGradient, Intervals, enclose
from .vector import Enclosure, Vector, load, vectors

__all__ = [
    "Diagnosis", "EnclosedHyperGradient", "Enclosure", "Intervals", "Match", "Vector", "diagnose", "enclose", "load",
    "vectors",
]  # fmt: skip
