"""The four levels as a textbook has them: correct, dense, short. The catalogue of faults changes their lines.

``correct(level)`` gives the candidates of a level; all agree with the vectors to rounding.
"""

from __future__ import annotations

from .candidates import CORRECT, correct

__all__ = ["CORRECT", "correct"]
