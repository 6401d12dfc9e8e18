"""The oracle: cases whose answers are proven, for whoever writes LancBiO in any language.

``load`` and ``vectors`` give the cases.
"""

from .vector import Enclosure, Vector, load, vectors

__all__ = ["Enclosure", "Vector", "load", "vectors"]
