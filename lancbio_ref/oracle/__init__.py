"""The oracle: cases whose answers are proven, for whoever writes LancBiO in any language.

``load`` and ``vectors`` give the cases, ``enclose`` a proven answer for a case of your own.
"""

from .enclose import EnclosedHyperGradient, Intervals, enclose
from .vector import Enclosure, Vector, load, vectors

__all__ = ["EnclosedHyperGradient", "Enclosure", "Intervals", "Vector", "enclose", "load", "vectors"]
