"""LancBiO uses 1 + 1/m Hessian products an outer iteration: counted where the operator is called."""

from __future__ import annotations

from typing import Any

from common import FAILS, HOLDS, Verdict, table

from lancbio_ref import SubspaceSchedule, minimize, problems

NAME, TITLE = "products", "Hessian products an outer iteration"
DIMENSIONS = (1, 2, 5, 10, 25, 50)


def measure(full: bool) -> dict[str, Any]:
    """K = 1000 on the synthetic problem with n = 200, κ = 100; every m divides K. The same with ``--full``."""
    maxiter, rows = 1000, []
    for m in (*DIMENSIONS, SubspaceSchedule(1, 1.1, 20, 80)):
        problem = problems.synthetic(200, 100.0, rng=0)
        x0, y0, v0 = problem.initial_point(1)
        result = minimize(problem, x0, y0, v0=v0, maxiter=maxiter, step_x=0.1, step_y=0.01, inner_steps=5, subspace=m)
        rows.append(dict(m=m if isinstance(m, int) else None, called=calls(problem), counted=result.n_hvp))
    return dict(maxiter=maxiter, rows=rows)


def calls(problem: Any) -> int:
    """How often the Hessian operator was applied to a vector."""
    return sum(count for name, count in problem.calls.items() if name.startswith("lower.hessian(x, y)"))


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    K = found["maxiter"]
    constant = [row for row in found["rows"] if row["m"] is not None]
    grown = next(row for row in found["rows"] if row["m"] is None)
    exact = all(row["called"] == K + K // row["m"] for row in constant)
    same = all(row["called"] == row["counted"] for row in found["rows"])
    return [
        Verdict(
            "LancBiO uses 1 + 1/m Hessian products an outer iteration",
            HOLDS if exact and same else FAILS,
            f"K + K/m calls exactly at every m, K = {K}"
            f"{'' if same else '; the reported counts differ'}; with the growing schedule"
            f" {grown['called'] / K:.3f} an iteration: m = 1, with 2, counts until it has grown",
        )
    ]


def section(found: dict[str, Any]) -> str:
    K = found["maxiter"]
    rows = [
        [
            "1 to 80, by 1.1 every 20" if row["m"] is None else row["m"],
            row["called"],
            f"{row['called'] / K:.4f}",
            "–" if row["m"] is None else f"{1 + 1 / row['m']:.4f}",
        ]
        for row in found["rows"]
    ]
    return f"K = {K} outer iterations.\n\n" + table(["m", "products", "an iteration", "1 + 1/m"], rows)
