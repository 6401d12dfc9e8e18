"""Edits of the textbook that the faults of `solve` are made of, and the settings in which programs have them."""

from __future__ import annotations

from .base import Edit

OWN_UNITS = Edit(  # no scaling by powers of two: what depends on the units of A and b shows it
    "solve", "return np.ldexp(A, -s), np.ldexp(b, -t), np.ldexp(v0, s - t), t - s", "return A, b, v0, 0"
)
UNCHECKED = Edit(
    "solve",
    "    return refuse_unless_finite(np.ldexp(v, unit))\n\n\ndef preconditioned",
    "    return np.ldexp(v, unit)\n\n\ndef preconditioned",
)


FROM_ZERO = Edit(
    "solve",
    "    A, b, v, unit = near_one(A, b, v0)\n    tolerance",
    "    A, b, v, unit = near_one(A, b, 0 * v0)\n    tolerance",
)


def cg(correct: str, wrong: str) -> Edit:
    return Edit("solve", correct, wrong)


def settings(*edits: Edit) -> tuple[tuple[Edit, ...], ...]:
    """The same fault in programs that start at zero, and that stop at a tolerance of their own."""
    stops = [loose(rtol) for rtol in ("1e-5", "1e-6", "1e-8", "1e-10", "1e-12")]
    return ((*edits, FROM_ZERO), *((*edits, FROM_ZERO, *stop) for stop in stops))


def loose(rtol: str) -> tuple[Edit, ...]:
    return (cg("tolerance = roundoff(A) * norm(b)", f"tolerance = {rtol} * norm(b)"),)


def steps(count: int | str) -> tuple[Edit, ...]:
    return (cg("    p = r\n    for _ in range(50 * len(b)):", f"    p = r\n    for _ in range({count}):"),)


def damped(damping: str) -> tuple[Edit, ...]:
    return (OWN_UNITS, cg("solve(alpha, beta[:-1], right)", f"solve(alpha + {damping}, beta[:-1], right)"))


def gives_up(steps: str) -> tuple[Edit, ...]:
    return (
        cg("    p = r\n    for _ in range(50 * len(b)):", f"    p = r\n    for _ in range({steps}):"),
        cg("parts from b − A v in the end\n", "parts from b − A v in the end\n    else:\n        v = 0 * v\n"),
    )


def port(damping: str, steps: str) -> tuple[Edit, ...]:
    return (
        *TWO_TERMS,
        *damped(damping),
        cg("right = norm(r0) * np.eye", "right = norm(r0) * norm(r0) * np.eye"),
        cg("near_one(A, b, v0)\n    r0 =", "near_one(A, b, 0 * v0)\n    r0 ="),
        cg("lanczos(A, r0, len(b))", f"lanczos(A, r0, min({steps}, len(b)))"),
    )


def absolute(atol: str) -> tuple[Edit, ...]:
    return (OWN_UNITS, cg("tolerance = roundoff(A) * norm(b)", f"tolerance = {atol}"))


def from_start(rtol: str) -> tuple[Edit, ...]:
    return (
        cg(
            "    tolerance = roundoff(A) * norm(b)\n    r = b - A @ v  # r_0 = b − A v_0\n",
            f"    r = b - A @ v\n    tolerance = {rtol} * norm(r)\n",
        ),
    )


def normal(rtol: str) -> tuple[Edit, ...]:
    """Conjugate gradients on AᵀA v = Aᵀb until ‖Aᵀ(b − A v)‖ ≤ rtol·‖Aᵀb‖."""
    return (
        cg(
            "    tolerance = roundoff(A) * norm(b)\n    r = b - A @ v  # r_0",
            f"    A, b = A.T @ A, A.T @ b\n    tolerance = {rtol} * norm(b)\n    r = b - A @ v  # r_0",
        ),
    )


def of_z(rtol: str) -> tuple[Edit, ...]:
    return (OWN_UNITS, cg("if norm(r) <= roundoff(A) * norm(b):", f"if np.sqrt(r @ z) <= {rtol} * norm(b):"))


OLD_RESIDUAL = cg("p = r_next + delta * p", "p = r + delta * p")
STEPS: tuple[int | str, ...] = (*(f"{times} * len(b)" for times in (1, 2, 3, 4, 5, 10)), 5, 10, 20, 50, 100, 200, 500)
BEFORE = (
    cg("    p = r\n    for", "    p, v_before = r, v\n    for"),
    cg("        v = v + gamma * p  # v_{k+1}", "        v_before, v = v, v + gamma * p  # v_{k+1}"),
    cg(
        "parts from b − A v in the end\n    return refuse_unless_finite(np.ldexp(v, unit))",
        "parts from b − A v in the end\n    return refuse_unless_finite(np.ldexp(v_before, unit))",
    ),
)
DIVIDED = (
    cg(
        "    if norm(b) == 0:\n        return 0 * b\n    A, b, v, unit = near_one(A, b, v0)\n    tol",
        "    A, b, v, unit = near_one(A, b, v0)\n    tol",
    ),
    cg("if norm(r) <= tolerance:", "if norm(r) / norm(b) <= roundoff(A):"),
)
TWO_TERMS = (
    Edit("lanczos", "u = A @ q - beta * q_before  # u_j", "u = A @ q  # u_j"),
    Edit("lanczos", "def lanczos(A, q1, k, passes=2)", "def lanczos(A, q1, k, passes=0)"),
)
CG, LANCZOS = "conjugate gradients", "lanczos"
