"""The recipes of the vectors, a module a kind of case; each has ``cases()``, pairs of an id and a function."""

from . import dynamics, quadratic, sequences

ALL = (quadratic, sequences, dynamics)
