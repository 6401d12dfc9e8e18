"""The recipes of the vectors, a module a kind of case; each has ``cases()``, pairs of an id and a function."""

from . import dynamics, edges, faults, matrices, points, quadratic, recycled, rejections, sequences, spectra

ALL = {
    "v1": (quadratic, points, spectra, edges, matrices, rejections, sequences, dynamics, faults),
    "v1.1": (recycled,),
}
