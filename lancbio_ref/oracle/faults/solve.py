"""Faults of `solve`: A v = b."""

from __future__ import annotations

from .base import Edit, Fault

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


def _cg(correct: str, wrong: str) -> Edit:
    return Edit("solve", correct, wrong)


def _settings(*edits: Edit) -> tuple[tuple[Edit, ...], ...]:
    """The same fault in programs that start at zero, and that stop at a tolerance of their own."""
    stops = [_loose(rtol) for rtol in ("1e-5", "1e-6", "1e-8", "1e-10", "1e-12")]
    return ((*edits, FROM_ZERO), *((*edits, FROM_ZERO, *stop) for stop in stops))


def _loose(rtol: str) -> tuple[Edit, ...]:
    return (_cg("tolerance = roundoff(A) * norm(b)", f"tolerance = {rtol} * norm(b)"),)


def _steps(count: int | str) -> tuple[Edit, ...]:
    return (_cg("    p = r\n    for _ in range(50 * len(b)):", f"    p = r\n    for _ in range({count}):"),)


def _damped(damping: str) -> tuple[Edit, ...]:
    return (OWN_UNITS, _cg("np.linalg.solve(T, right)", f"np.linalg.solve(T + {damping} * np.eye(len(T)), right)"))


def _gives_up(steps: str) -> tuple[Edit, ...]:
    return (
        _cg("    p = r\n    for _ in range(50 * len(b)):", f"    p = r\n    for _ in range({steps}):"),
        _cg("parts from b − A v in the end\n", "parts from b − A v in the end\n    else:\n        v = 0 * v\n"),
    )


def _port(damping: str, steps: str) -> tuple[Edit, ...]:
    return (
        *TWO_TERMS,
        *_damped(damping),
        _cg("right = norm(r0) * np.eye", "right = norm(r0) * norm(r0) * np.eye"),
        _cg("near_one(A, b, v0)\n    r0 =", "near_one(A, b, 0 * v0)\n    r0 ="),
        _cg("lanczos(A, r0, len(b))", f"lanczos(A, r0, min({steps}, len(b)))"),
    )


def _absolute(atol: str) -> tuple[Edit, ...]:
    return (OWN_UNITS, _cg("tolerance = roundoff(A) * norm(b)", f"tolerance = {atol}"))


def _from_start(rtol: str) -> tuple[Edit, ...]:
    return (
        _cg(
            "    tolerance = roundoff(A) * norm(b)\n    r = b - A @ v  # r_0 = b − A v_0\n",
            f"    r = b - A @ v\n    tolerance = {rtol} * norm(r)\n",
        ),
    )


def _of_z(rtol: str) -> tuple[Edit, ...]:
    return (OWN_UNITS, _cg("if norm(r) <= roundoff(A) * norm(b):", f"if np.sqrt(r @ z) <= {rtol} * norm(b):"))


OLD_RESIDUAL = _cg("p = r_next + delta * p", "p = r + delta * p")
STEPS: tuple[int | str, ...] = (*(f"{times} * len(b)" for times in (1, 2, 3, 4, 5, 10)), 5, 10, 20, 50, 100, 200, 500)
BEFORE = (
    _cg("    p = r\n    for", "    p, v_before = r, v\n    for"),
    _cg("        v = v + gamma * p  # v_{k+1}", "        v_before, v = v, v + gamma * p  # v_{k+1}"),
    _cg(
        "parts from b − A v in the end\n    return refuse_unless_finite(np.ldexp(v, unit))",
        "parts from b − A v in the end\n    return refuse_unless_finite(np.ldexp(v_before, unit))",
    ),
)
DIVIDED = (
    _cg(
        "    if norm(b) == 0:\n        return 0 * b\n    A, b, v, unit = near_one(A, b, v0)\n    tol",
        "    A, b, v, unit = near_one(A, b, v0)\n    tol",
    ),
    _cg("if norm(r) <= tolerance:", "if norm(r) / norm(b) <= roundoff(A):"),
)
TWO_TERMS = (
    Edit("lanczos", "u = A @ q - beta * q_before  # u_j", "u = A @ q  # u_j"),
    Edit("lanczos", "def lanczos(A, q1, k, passes=2)", "def lanczos(A, q1, k, passes=0)"),
)
CG, LANCZOS = "conjugate gradients", "lanczos"

FAULTS = (
    Fault(
        "S01",
        "the iterate before the converged one is returned",
        "solve",
        "the start comes back (error 1) where one step solves the system, as for A = 2I; a few digits are missing where"
        " many steps are made",
        "the test of convergence stands between the update of r and that of v, or the update goes to a copy",
        "update v before the loop is left, and return that v",
        BEFORE,
        CG,
        _settings(*BEFORE),
    ),
    Fault(
        "S02",
        "p_{k+1} is formed with the old residual r_k",
        "solve",
        "the first step is right; from the second on the error grows with the iterations",
        "r is overwritten after p, or r_k and r_{k+1} share a name",
        "p_{k+1} = r_{k+1} + δ_{k+1} p_k: update r first",
        (OLD_RESIDUAL,),
        CG,
        (*_settings(OLD_RESIDUAL), *((OLD_RESIDUAL, FROM_ZERO, *_steps(count)) for count in STEPS)),
    ),
    Fault(
        "S03",
        "zero is returned for a system of one unknown",
        "solve",
        "v = 0 for n = 1, all else is right",
        "the loop runs n − 1 times, or a special case for scalars was never finished",
        "test with n = 1: v = b/a",
        (
            _cg(
                "    tolerance = roundoff(A) * norm(b)\n",
                "    if len(b) == 1:\n        return 0.0 * b\n    tolerance = roundoff(A) * norm(b)\n",
            ),
        ),
        CG,
    ),
    Fault(
        "S04",
        "b = 0 gives NaN",
        "solve",
        "NaN, or a rejection, where b = 0 and v = 0 is the answer",
        "a division by ‖b‖ or by ‖r_0‖ = 0, often in the relative test of convergence",
        "compare ‖r‖ with rtol·‖b‖ instead of ‖r‖/‖b‖ with rtol",
        (*DIVIDED, UNCHECKED),
        CG,
        (DIVIDED,),
    ),
    Fault(
        "S05",
        "r_0 = b though the start is v_0",
        "solve",
        "the answer is v_0 + A⁻¹b; right where v_0 = 0",
        "the residual is initialized as if every start were zero",
        "r_0 = b − A v_0",
        (_cg("r = b - A @ v  # r_0", "r = b  # r_0"),),
        CG,
    ),
    Fault(
        "S06",
        "the start v_0 is left out of the answer",
        "solve",
        "the answer is A⁻¹b − v_0; right where v_0 = 0",
        "the correction Δv, which solves A Δv = b − A v_0, is returned as v",
        "v = v_0 + Δv",
        (_cg("    p = r\n    for", "    p, v = r, 0 * v\n    for"),),
        CG,
    ),
    Fault(
        "S07",
        "δ = ‖r_k‖²/‖r_{k+1}‖², upside down",
        "solve",
        "the first step is right, then the iteration blows up or stalls",
        "numerator and denominator of the ratio of residuals are exchanged",
        "δ_{k+1} = ‖r_{k+1}‖²/‖r_k‖²",
        (_cg("delta = (r_next @ r_next) / (r @ r)", "delta = (r @ r) / (r_next @ r_next)"),),
        CG,
        _settings(_cg("delta = (r_next @ r_next) / (r @ r)", "delta = (r @ r) / (r_next @ r_next)")),
    ),
    Fault(
        "S08",
        "the normal equations AᵀA v = Aᵀb are solved",
        "solve",
        "half the digits are missing where κ is large: the error is κ²u instead of κu",
        "a solver for general or least-squares systems is used by default",
        "A is symmetric positive definite: apply conjugate gradients, Lanczos or Cholesky to A itself",
        (_cg("    L = np.linalg.cholesky(A)\n", "    A, b = A.T @ A, A.T @ b\n    L = np.linalg.cholesky(A)\n"),),
        "cholesky",
        (
            (
                _cg(
                    "    L = np.linalg.cholesky(A)\n    v = np.linalg.solve(L.T, np.linalg.solve(L, b))",
                    "    v = np.linalg.solve(A.T @ A, A.T @ b)",
                ),
            ),
        ),
        rounding=True,
    ),
    Fault(
        "S09",
        "an absolute tolerance is taken for a relative one",
        "solve",
        "the start or a poor iterate comes back where ‖b‖ is small; all is well where ‖b‖ is near 1 or above",
        "‖r‖ ≤ tol instead of ‖r‖ ≤ tol·‖b‖",
        "let the tolerance scale with ‖b‖, and default atol to 0",
        _absolute("1e-10"),
        CG,
        tuple(_absolute(atol) for atol in ("1e-6", "1e-8", "1e-12", "1e-14")),
    ),
    Fault(
        "S10",
        "the preconditioner changes what the tolerance means",
        "solve",
        "few digits where the diagonal of A is large, too many steps where it is small",
        "the preconditioned residual, r_kᵀM⁻¹r_k or ‖M⁻¹r_k‖, is compared with the tolerance",
        "compare ‖b − A v‖ itself with the tolerance",
        _of_z("roundoff(A)"),
        "preconditioned",
        tuple(_of_z(rtol) for rtol in ("1e-6", "1e-8", "1e-10", "1e-12")),
    ),
    Fault(
        "S11",
        "the tolerance is relative to ‖r_0‖, so that a warm start changes what it means",
        "solve",
        "a far start gives fewer digits, a good one more steps than asked for",
        "‖r‖ ≤ rtol·‖r_0‖ instead of rtol·‖b‖",
        "measure against ‖b‖, which does not depend on the start",
        _from_start("1e-8"),
        CG,
        tuple(_from_start(rtol) for rtol in ("1e-5", "1e-6", "1e-10", "1e-12")),
    ),
    Fault(
        "S12",
        "the solver stops at its default tolerance",
        "solve",
        "about as many digits as the tolerance says, fewer where κ is large",
        "rtol = 1e-5 (SciPy), 1e-6 or the like is left as it is",
        "set rtol to the accuracy that you claim, or iterate until the residual no longer falls",
        _loose("1e-5"),
        CG,
        (*(_loose(rtol) for rtol in ("1e-4", "1e-6", "1e-8", "1e-10")), *_settings()[1:], (*_loose("1e-4"), FROM_ZERO)),
    ),
    Fault(
        "S13",
        "β_j q_{j−1} is not subtracted in the Lanczos solve",
        "solve",
        "right for one step, wrong from the second on",
        "A q − β q_{j−1} is computed into a variable that nobody uses: two terms instead of three",
        "u_j = A q_j − β_j q_{j−1}, and go on with u_j",
        TWO_TERMS,
        LANCZOS,
    ),
    Fault(
        "S14",
        "the projected right-hand side is multiplied by ‖r_0‖ again",
        "solve",
        "v − v_0 is too large by the factor ‖b − A v_0‖; right where that is 1",
        "Q_jᵀr_0 already has the length of r_0",
        "solve T y = Q_jᵀr_0 = ‖r_0‖e_1, scaled once",
        (OWN_UNITS, _cg("right = norm(r0) * np.eye", "right = norm(r0) * norm(r0) * np.eye")),
        LANCZOS,
    ),
    Fault(
        "S15",
        "T takes β_3, β_4, … for β_2, β_3, …",
        "solve",
        "right for one unknown, wrong for all others",
        "β_1 = 0 is or is not stored, and the other part of the code believes the contrary",
        "the entry beside α_j and α_{j+1} is β_{j+1} = ‖w_j‖",
        (_cg("np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1)", "np.diag(beta[1:], 1) + np.diag(beta[1:], -1)"),),
        LANCZOS,
    ),
    Fault(
        "S16",
        "damping is added to T",
        "solve",
        "v is too short; worse where A is small or κ large",
        "T + λI is solved to be safe, which solves (A + λI)v = b",
        "T is positive definite when A is: solve with T",
        _damped("1e-3"),
        LANCZOS,
        tuple(_damped(damping) for damping in ("1.0", "0.1", "1e-2", "1e-4", "1e-5", "1e-6", "1e-8")),
    ),
    Fault(
        "S17",
        "one Lanczos step too few: m counted from 0",
        "solve",
        "the last Krylov vector is missing: few digits at small n, an empty T at n = 1",
        "range(1, m) where range(m) was meant",
        "m steps give m columns of Q and an m × m T",
        (_cg("lanczos(A, r0, len(b))", "lanczos(A, r0, len(b) - 1)"),),
        LANCZOS,
    ),
    Fault(
        "S18",
        "the sums are formed in float32",
        "solve",
        "about 7 digits where κ is 1, none at κ = 10⁷",
        "a default of the library, an accelerator, or one array of the wrong type",
        "keep A, b and every sum in float64, or claim float32",
        (
            _cg(
                "    A, b, v, unit = near_one(A, b, v0)\n    tolerance",
                "    A, b, v, unit = near_one(*(a.astype(np.float32) for a in (A, b, v0)))\n    tolerance",
            ),
        ),
        CG,
        rounding=True,
    ),
    Fault(
        "S19",
        "convergence is judged by the residual of the recurrence",
        "solve",
        "with less than full reorthogonalization, few digits where κ is large, though β_{j+1}|e_jᵀy_j| claims all",
        "the residual that the recurrence predicts is taken for b − A v",
        "evaluate b − A v, and correct v by a fresh short process on it until it no longer falls",
        (
            _cg("alpha, beta, Q = lanczos(A, r0, len(b))", "alpha, beta, Q = partial_lanczos(A, r0, len(b))"),
            _cg("import lanczos\n", "import lanczos, partial_lanczos\n"),
        ),
        LANCZOS,
        rounding=True,
    ),
    Fault(
        "S20",
        "the residual has the wrong sign",
        "solve",
        "v = 2v_0 − A⁻¹b: −A⁻¹b from v_0 = 0",
        "r_0 = A v_0 − b where the recurrences want b − A v_0",
        "r_0 = b − A v_0",
        (_cg("r = b - A @ v  # r_0", "r = A @ v - b  # r_0"),),
        CG,
    ),
    Fault(
        "S21",
        "γ divides by pᵀp instead of pᵀA p",
        "solve",
        "diverges unless A is the identity",
        "the norm of p is taken in the wrong inner product",
        "γ_k = ‖r_k‖²/(p_kᵀA p_k)",
        (OWN_UNITS, _cg("gamma = (r @ r) / (p @ Ap)", "gamma = (r @ r) / (p @ p)")),
        CG,
    ),
    Fault(
        "S22",
        "the preconditioner is taken for the inverse",
        "solve",
        "v = b/diag(A); right for diagonal A only",
        "one application of M⁻¹ stands for the solve",
        "M⁻¹ only speeds up the iteration",
        (
            _cg(
                "    L = np.linalg.cholesky(A)\n    v = np.linalg.solve(L.T, np.linalg.solve(L, b))",
                "    v = b / np.diag(A)",
            ),
        ),
        "cholesky",
    ),
    Fault(
        "S23",
        "only the lower triangle of A is read",
        "solve",
        "right for diagonal A only",
        "a file or format keeps one triangle of a symmetric matrix, and nobody mirrored it",
        "add the transpose of the strict triangle",
        (
            _cg(
                "    L = np.linalg.cholesky(A)\n    v = np.linalg.solve(L.T, np.linalg.solve(L, b))",
                "    v = np.linalg.solve(np.tril(A), b)",
            ),
        ),
        "cholesky",
    ),
    Fault(
        "S24",
        "systems without an answer are answered",
        "solve",
        "numbers where A is indefinite, not symmetric or not finite; all else is right",
        "no test of symmetry, of p_kᵀA p_k ≤ 0 or of the factorization's status",
        "reject: an indefinite A is no Hessian at a lower-level minimum",
        (
            _cg("    refuse_unless_spd(A, b)\n    A, b, _, unit", "    A, b, _, unit"),
            _cg(
                "    L = np.linalg.cholesky(A)\n    v = np.linalg.solve(L.T, np.linalg.solve(L, b))\n    return"
                " refuse_unless_finite(np.ldexp(v, unit))",
                "    v = np.linalg.solve(A, b)\n    return np.ldexp(v, unit)",
            ),
        ),
        "cholesky",
    ),
    Fault(
        "S25",
        "squares under- or overflow at extreme scales",
        "solve",
        "the start comes back, or NaN, where the entries of b are below 1e-154 or above 1e154",
        "norms are formed as sums of squares of the data as they are",
        "divide A and b by powers of two first, which changes no digit, and multiply v back",
        (OWN_UNITS, Edit("numbers", "    e = exponent(a)\n    scaled", "    e = 0\n    scaled"), UNCHECKED),
        CG,
    ),
    Fault(
        "S26",
        "a fixed number of steps stands for convergence",
        "solve",
        "right where there are few distinct eigenvalues, few digits elsewhere",
        "maxiter is 10 or the like, and nobody looks at the residual",
        "iterate until the residual says that it is enough, and report when it does not",
        _steps(10),
        CG,
        (
            *(_steps(count) for count in (1, 2, 3, 5, 20, 50, 100)),
            *((FROM_ZERO, *_steps(count)) for count in (1, 2, 3, 5, 10, 20, 50, 100)),
        ),
    ),
    Fault(
        "S27",
        "zero is returned when the solver fails",
        "solve",
        "v = 0 where n steps do not suffice; all else is right",
        "a failed solve is hidden behind a default value",
        "say that it failed: raise, or return a status with the best iterate",
        _gives_up("len(b)"),
        CG,
        tuple(_gives_up(steps) for steps in ("2 * len(b)", "3 * len(b)", "10 * len(b)")),
    ),
    Fault(
        "S28",
        "two terms instead of three, a right-hand side scaled twice and a damped T, all at once",
        "solve",
        "wrong everywhere: S13, S14 and S16 together",
        "a port of the Lanczos solve that was never compared with another solver",
        "mend S13, S14 and S16, one after the other",
        _port("1e-4", "len(b)"),
        LANCZOS,
        tuple(
            _port(damping, steps)
            for steps in ("10", "20", "50", "len(b)")
            for damping in ("1e-2", "1e-3", "1e-4", "1e-6", "1e-8", "1e-10")
        ),
    ),
)
