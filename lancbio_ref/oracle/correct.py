"""The textbook as candidates: a case in, an answer out, by the name of the level and of the algorithm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from ..textbook import baselines, hypergradient, lanczos, problems, recycled, solve, trace

METHODS = {  # name of the method: module and function of the textbook
    "lancbio": ("trace", "lancbio"),
    "subbio": ("trace", "subbio"),
    "amigo-gd": ("baselines", "amigo_gd"),
    "amigo-cg": ("baselines", "amigo_cg"),
    "soba": ("baselines", "soba"),
    "stocbio": ("baselines", "stocbio"),
    "bsa": ("baselines", "bsa"),
    "ttsa": ("baselines", "ttsa"),
    "stable": ("baselines", "stable"),
    "f2sa": ("baselines", "f2sa"),
    "hjfbio": ("baselines", "hjfbio"),
    "hoag": ("baselines", "hoag"),
    "maid": ("baselines", "maid"),
    "recycled-newton": ("recycled", "recycled_newton"),
}

Case = dict[str, Any]
Run = Callable[[Case], dict[str, Any]]


def candidates(modules: Mapping[str, ModuleType]) -> dict[str, dict[str, Run]]:
    """Level → name → candidate, of the modules of the textbook by their names: as they are, or edited."""
    lanczos, solve, hypergradient, problems = (
        modules[name] for name in ("lanczos", "solve", "hypergradient", "problems")
    )
    methods = {name: getattr(modules[module], function) for name, (module, function) in METHODS.items()}

    def solve_with(solver: Any) -> Run:
        return lambda case: {"v": solver(case["A"], case["b"], case["v0"])}

    def hypergradient_with(function: Any) -> Run:
        return lambda case: {"h": function(case)}

    def lanczos_with(process: Any, claim: str, **options: Any) -> Run:
        def run(case: Case) -> dict[str, Any]:
            alpha, beta, Q = process(case["A"], case["q1"], case["k"], **options)
            return {"alpha": alpha, "beta": beta, "Q": Q, "reorthogonalization": claim}

        return run

    def run_method(case: Case) -> dict[str, Any]:
        start = case["x0"], case["y0"], case["v0"]
        options = {**case["options"], "draws": case.get("draws")}  # what a random method would have drawn
        return {"rows": methods[case["method"]](problems.problem_of(case), *start, case["iterations"], options)}

    return {
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


CORRECT = candidates(
    dict(
        lanczos=lanczos, solve=solve, hypergradient=hypergradient, trace=trace, baselines=baselines, recycled=recycled,
        problems=problems,
    )
)  # fmt: skip


def answer(run: Run, case: Case) -> dict[str, Any]:
    """run(case); a refusal, a ValueError or an ArithmeticError, as ``{"reject": reason}``."""
    with np.errstate(all="ignore"):
        try:
            return run(case)
        except (ValueError, ArithmeticError) as error:  # numpy's LinAlgError is a ValueError
            return {"reject": f"{type(error).__name__}: {error}"}


def correct(level: str) -> dict[str, Run]:
    """Name → candidate of a level, each a function of the case that returns the answer; all agree with the vectors.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.oracle.correct import correct
    >>> run = correct("solve")["conjugate gradients"]
    >>> run({"A": 2.0 * np.eye(2), "b": np.array([2.0, 4.0]), "v0": np.zeros(2)})
    {'v': array([1., 2.])}
    """
    return {name: partial(answer, run) for name, run in CORRECT[level].items()}
