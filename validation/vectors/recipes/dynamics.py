"""Traces on problems: LancBiO and SubBiO over several iterations, and one outer step of every other method."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from ..random_bits import Bits
from .problem_data import MAKERS, sizes
from .sequences import LANCBIO, SUBBIO
from .trace import TraceCase

INNER = "N times y <- y - theta grad_y g(x_k, y); then A_k, J_k, b_k, c_k at (x_k, y_k)"
DESCENT = "h_k = c_k - J_k v_k; x_{k+1} = x_k - lambda h_k"
SCHEDULE = {"initial": 1, "growth": Fraction(3, 2), "every": 3, "maximum": 3}

# problem, its sizes, iterations, subspace, inner steps, lambda, theta
LANCBIO_CASES: list[tuple[str, tuple[int, ...], int, Any, int, str, str]] = [
    ("synthetic", (6,), 9, 3, 2, "1/8", "1/16"),
    ("synthetic", (4,), 6, 1, 1, "1/8", "1/16"),
    ("synthetic", (5,), 8, SCHEDULE, 2, "1/8", "1/16"),
    ("quadratic", (3, 5), 8, 4, 3, "1/4", "1/8"),
    ("ridge", (5,), 7, 3, 2, "1/8", "1/16"),
    ("logistic", (3, 2), 7, 3, 2, "1", "1/4"),
    ("data-cleaning", (2, 2), 7, 3, 2, "1", "1/4"),
    ("synthetic", (8, 29), 10, 5, 2, "1/16", "1/64"),
]
# problem, sizes, iterations, inner steps, lambda, theta, eta
SUBBIO_CASES: list[tuple[str, tuple[int, ...], int, int, str, str, str]] = [
    ("synthetic", (6,), 8, 2, "1/8", "1/16", "1/16"),
    ("quadratic", (5, 3), 6, 3, "1/4", "1/8", "1/8"),
    ("ridge", (5,), 6, 2, "1/8", "1/16", "1/16"),
    ("logistic", (3, 2), 6, 2, "1", "1/4", "1/4"),
    ("data-cleaning", (2, 2), 6, 2, "1", "1/4", "1/4"),
]
STEPS = {"step_x": "1/8", "step_y": "1/16"}
METHODS: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "amigo-gd": (
        {**STEPS, "step_v": "1/16", "inner_steps": 2, "inverse_steps": 4},
        [INNER, "Q times v <- v - eta (A_k v - b_k), from v_{k-1}", DESCENT],
        "Four gradient steps for the linear system, from v_0.",
    ),
    "amigo-cg": (
        {**STEPS, "inner_steps": 2, "inverse_steps": 3},
        [INNER, "Q conjugate-gradient steps for A_k v = b_k from v_{k-1}", DESCENT],
        "Three conjugate-gradient steps from v_0, fewer than n_y.",
    ),
    "soba": (
        {**STEPS, "step_v": "1/16"},
        [
            "all at (x_k, y_k, v_k): y_{k+1} = y_k - theta grad_y g; v_{k+1} = v_k - eta (A_k v_k - b_k)",
            "h_k = c_k - J_k v_k; x_{k+1} = x_k - lambda h_k",
        ],
        "One loop: the three directions belong to the same (x, y, v), and are taken together.",
    ),
    "stocbio": (
        {**STEPS, "step_v": "1/16", "inner_steps": 2, "inverse_steps": 4},
        [INNER, "v_k = eta sum_{q=0}^Q (I - eta A_k)^q b_k: Q + 1 terms", DESCENT],
        "Five terms of the Neumann series.",
    ),
    "bsa": (
        {**STEPS, "step_v": "1/16", "inner_steps": 2, "inverse_steps": 5},
        [INNER, "p drawn from 0 .. Q - 1; v_k = eta Q (I - eta A_k)^p b_k", DESCENT],
        "The randomized Neumann term with the p that is given, its factor Q included.",
    ),
    "ttsa": (
        {**STEPS, "step_v": "1/16", "decay_x": "3/4", "decay_y": "1/2", "inverse_steps": 5},
        [
            "alpha_k = step_x/(k+1)^decay_x, beta_k = step_y/(k+1)^decay_y; one step y <- y - beta_k grad_y g(x_k, y)",
            "p drawn from 0 .. Q - 1; v_k = eta Q (I - eta A_k)^p b_k",
            "h_k = c_k - J_k v_k; x_{k+1} = x_k - alpha_k h_k",
        ],
        "Decaying steps; k counts from 1. The randomized Neumann term with the p that is given.",
    ),
    "stable": (
        {**STEPS, "momentum": "1/4", "mu": "1/64", "cross_norm": "64"},
        [
            "H_yy <- P[(1 - tau)(H_yy - A(z_{k-1})) + A(z_k)], eigenvalues raised to mu",
            "H_xy <- P[(1 - tau)(H_xy - J(z_{k-1})) + J(z_k)], singular values lowered to C",
            "v_k = H_yy^-1 b_k; h_k = c_k - H_xy v_k; x_{k+1} = x_k - lambda h_k",
            "y_{k+1} = y_k - theta grad_y g(z_k) - H_yy^-1 H_xy^T (x_{k+1} - x_k)",
        ],
        "The estimates begin as the derivatives at z_1; y follows x. The bounds mu and C are not reached.",
    ),
    "f2sa": (
        {**STEPS, "step_z": "1/16", "inner_steps": 2, "penalty": "3/2", "penalty_growth": "1/4", "decay_x": "1/2",
         "decay_y": "1/2", "decay_penalty": "1"},
        [
            "T times z <- z - gamma grad_y g(x_k, z); y <- y - alpha_k (grad_y f(x_k, y) + sigma_k grad_y g(x_k, y))",
            "h_k = grad_x f(x_k, y_k) + sigma_k (grad_x g(x_k, y_k) - grad_x g(x_k, z_k))",
            "x_{k+1} = x_k - lambda_k h_k; sigma_{k+1} = sigma_k + penalty_growth/(k+1)^decay_penalty",
            "alpha_k, lambda_k = step/(k+1)^decay; sigma_1 = penalty; z_0 = y_0",
        ],
        "First derivatives only; steps decay, the penalty grows.",
    ),
    "hjfbio": (
        {**STEPS, "step_v": "1/16", "radius": "16", "difference": "1/131072"},
        [
            "Av = (grad_y g(x, y + delta v) - grad_y g(x, y - delta v))/(2 delta); Jv alike with grad_x g",
            "y_{k+1} = y_k - theta grad_y g; h_k = c_k - Jv; x_{k+1} = x_k - lambda h_k",
            "v_{k+1} = P[v_k - eta (Av - b_k)], shortened to length r where it is longer",
        ],
        "Central differences with delta = 2^-17: the numbers are those of the differences, not of the derivatives.",
    ),
}  # fmt: skip
# problem, sizes, iterations, p drawn
STEP_CASES: list[tuple[str, tuple[int, ...], int, list[int]]] = [
    ("quadratic", (3, 5), 1, [3]),
    ("synthetic", (5,), 2, [2, 4]),
    ("data-cleaning", (2, 2), 1, [1]),
]
SPECIAL: dict[str, tuple[str, tuple[int, ...], int, dict[str, Any], str]] = {
    "stable": ("quadratic", (1, 2), 2, {"mu": "1", "cross_norm": "1/2"},
               "Both projections are active: an eigenvalue of H_yy is below mu, and ||H_xy|| exceeds C."),
    "hjfbio": ("quadratic", (3, 5), 1, {"radius": "1/2"}, "v leaves the ball of radius r and is pulled back."),
    "bsa": ("quadratic", (2, 4), 1, {}, "p = 0: v = eta Q b."),
    "amigo-cg": ("data-cleaning", (4, 4), 1, {"inverse_steps": 14},
                 "Fourteen conjugate-gradient steps, to a residual of 1e-14: no tolerance may take the last ones."),
}  # fmt: skip


def cases() -> Iterator[tuple[str, Any]]:
    for number, spec in enumerate(LANCBIO_CASES, 1):
        id = f"lancbio-problem-{number:03d}"
        yield id, lambda id=id, spec=spec: lancbio_case(id, *spec)
    for number, subbio in enumerate(SUBBIO_CASES, 1):
        id = f"subbio-problem-{number:03d}"
        yield id, lambda id=id, spec=subbio: subbio_case(id, *spec)
    for method in METHODS:
        for number, step in enumerate(STEP_CASES, 1):
            id = f"step-{method}-{number:03d}"
            yield id, lambda id=id, method=method, step=step: step_case(id, method, *step)
    for method, (name, shape, count, changed, why) in SPECIAL.items():
        id = f"step-{method}-{len(STEP_CASES) + 1:03d}"
        yield (
            id,
            lambda id=id, method=method, spec=(name, shape, count, [0]), changed=changed, why=why: step_case(
                id, method, *spec, changed=changed, why=why
            ),
        )


def _options(options: dict[str, Any]) -> dict[str, Any]:
    return {key: Fraction(value) if isinstance(value, str) else value for key, value in options.items()}


def case_of(
    id: str, method: str, problem: str, shape: tuple[int, ...], count: int, options: dict[str, Any],
    equations: list[str], why: str, draws: dict[str, list[int]] | None = None,
) -> TraceCase:  # fmt: skip
    bits = Bits(id)
    name = problem.replace("-", "_")
    data = MAKERS[name](bits, *shape)
    n_x, n_y = sizes(name, data)
    return TraceCase(
        id=id,
        method=method,
        options=_options(options),
        x0=bits.dyadics(n_x, -1, 1, 3),
        y0=bits.dyadics(n_y, -1, 1, 3),
        v0=bits.dyadics(n_y, -1, 1, 3),
        iterations=count,
        why=why,
        equations=equations,
        recipe="dynamics",
        parameters={"problem": name, "shape": list(shape)},
        problem=(name, data),
        draws=draws,
    )


def lancbio_case(
    id: str, problem: str, shape: tuple[int, ...], count: int, subspace: Any, inner: int, step_x: str, step_y: str
) -> TraceCase:
    options = {"step_x": step_x, "step_y": step_y, "inner_steps": inner, "subspace": subspace}
    why = f"LancBiO on the {problem} problem, from inner steps to x: every quantity of every iteration."
    return case_of(id, "lancbio", problem, shape, count, options, [INNER, *LANCBIO, DESCENT], why)


def subbio_case(
    id: str, problem: str, shape: tuple[int, ...], count: int, inner: int, step_x: str, step_y: str, step_v: str
) -> TraceCase:
    options = {"step_x": step_x, "step_y": step_y, "step_v": step_v, "inner_steps": inner}
    why = f"SubBiO on the {problem} problem, from inner steps to x: every quantity of every iteration."
    return case_of(id, "subbio", problem, shape, count, options, [INNER, *SUBBIO, DESCENT], why)


def step_case(
    id: str, method: str, problem: str, shape: tuple[int, ...], count: int, p: list[int], *,
    changed: dict[str, Any] | None = None, why: str | None = None,
) -> TraceCase:  # fmt: skip
    options, equations, reason = METHODS[method]
    draws = {"p": p} if method in ("bsa", "ttsa") else None
    return case_of(
        id, method, problem, shape, count, {**options, **(changed or {})}, equations, why or reason, draws
    )  # fmt: skip
