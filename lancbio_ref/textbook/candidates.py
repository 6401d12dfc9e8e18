"""The textbook as candidates: a case in, an answer out, by the name of the level and of the algorithm."""

from __future__ import annotations

import numpy as np

from . import baselines, hypergradient, lanczos, solve, trace
from .problems import problem_of

METHODS = {
    "lancbio": trace.lancbio,
    "subbio": trace.subbio,
    "amigo-gd": baselines.amigo_gd,
    "amigo-cg": baselines.amigo_cg,
    "soba": baselines.soba,
    "stocbio": baselines.stocbio,
    "bsa": baselines.bsa,
    "ttsa": baselines.ttsa,
    "stable": baselines.stable,
    "f2sa": baselines.f2sa,
    "hjfbio": baselines.hjfbio,
}


def solve_with(solver):
    return lambda case: {"v": solver(case["A"], case["b"], case["v0"])}


def hypergradient_with(function):
    return lambda case: {"h": function(case)}


def lanczos_with(process, claim, **options):
    def run(case):
        alpha, beta, Q = process(case["A"], case["q1"], case["k"], **options)
        return {"alpha": alpha, "beta": beta, "Q": Q, "reorthogonalization": claim}

    return run


def run_method(case):
    method = METHODS[case["method"]]
    start = case["x0"], case["y0"], case["v0"]
    return {"rows": method(problem_of(case), *start, case["iterations"], options_of(case))}


def options_of(case):
    """The options, and what a random method would have drawn."""
    return {**case["options"], "draws": case.get("draws")}


CORRECT = {
    "solve": {
        "conjugate gradients": solve_with(solve.conjugate_gradients),
        "lanczos": solve_with(solve.lanczos_solve),
        "preconditioned": solve_with(solve.preconditioned_conjugate_gradients),
        "cholesky": solve_with(solve.cholesky_solve),
    },
    "hypergradient": {
        "arrays": hypergradient_with(hypergradient.from_arrays),
        "problem": hypergradient_with(hypergradient.from_problem),
    },
    "lanczos": {
        "full": lanczos_with(lanczos.lanczos, "full"),
        "none": lanczos_with(lanczos.lanczos, "none", passes=0),
        "partial": lanczos_with(lanczos.partial_lanczos, "partial"),
    },
    "trace": {"dense": run_method},
}


def answer(run, case):
    """run(case); a refusal, a ValueError or an ArithmeticError, as ``{"reject": reason}``."""
    with np.errstate(all="ignore"):
        try:
            return run(case)
        except (ValueError, ArithmeticError) as error:  # numpy's LinAlgError is a ValueError
            return {"reject": f"{type(error).__name__}: {error}"}


def correct(level):
    """Name → candidate of a level, each a function of the case that returns the answer.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import textbook
    >>> run = textbook.correct("solve")["conjugate gradients"]
    >>> run({"A": 2.0 * np.eye(2), "b": np.array([2.0, 4.0]), "v0": np.zeros(2)})
    {'v': array([1., 2.])}
    """
    return {name: lambda case, run=run: answer(run, case) for name, run in CORRECT[level].items()}
