"""How the derivatives of this package's problems round: the proofs behind their ``formation_errors``.

Each file derives, for one problem, bounds of |f̂ − f|, ‖ĝ_y − ∇_y g‖, ‖Â − A‖, ‖Ĵ − J‖, ‖b̂ − b‖ and ‖ĉ − c‖ at floats
(x, y), in the model of :mod:`lancbio_ref.rounding`. f and g are those of the floats in the data, their means and
penalties weighted by 1/n, 1/m and 1/(Cp) exactly; that the program takes these numbers rounded counts as an error (data
cleaning's ridge is the number in ``problem.ridge``). Of NumPy's and SciPy's elementary functions nobody has proved an
error: twice what NumPy documents is taken (:mod:`lancbio_ref.problems.elementary`), and ``certified`` rests on that.
"""

from .classification import data_cleaning_errors, errors_of_sums, logistic_errors
from .generalized_linear import generalized_linear_errors
from .quadratic import quadratic_errors
from .ridge import ridge_errors
from .synthetic import synthetic_errors

__all__ = [
    "data_cleaning_errors",
    "errors_of_sums",
    "generalized_linear_errors",
    "logistic_errors",
    "quadratic_errors",
    "ridge_errors",
    "synthetic_errors",
]
