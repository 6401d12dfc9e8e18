"""Faults of `trace`: the dynamic runs of LancBiO and SubBiO."""

from __future__ import annotations

from .base import Edit, Fault

RIGHT = "dv = Q @ np.linalg.solve(T, Q.T @ r)  # Δv"
EMPTY = "Q, alphas, betas = np.zeros((n, 0)), [], []"
RESTART = "            v_bar = v  # v̄ = v_{k−1}\n            w = A @ v_bar  # w = A_k v̄\n"
GALERKIN = "v = S @ np.linalg.solve(S.T @ A @ S, S.T @ b)  # SᵀA_kS z"
PAIR = "S = orthonormal(b, v - eta * (A @ v))  # b_k"


def _lancbio(id: str, title: str, symptom: str, cause: str, remedy: str, *edits: tuple[str, str]) -> Fault:
    changed = tuple(Edit("trace", *edit) for edit in edits)
    return Fault(id, title, "trace", symptom, cause, remedy, changed, "dense", methods=("lancbio",))


def _subbio(id: str, title: str, symptom: str, cause: str, remedy: str, *edits: tuple[str, str]) -> Fault:
    changed = tuple(Edit("trace", *edit) for edit in edits)
    return Fault(id, title, "trace", symptom, cause, remedy, changed, "dense", methods=("subbio",))


LANCBIO = (
    _lancbio(
        "T01",
        "w is not refreshed at a restart",
        "right until the second restart; then v_k = v̄ + Δv with the Δv of another system",
        "w = A_k v̄ is formed once, at the start of the run",
        "at every restart w = A_k v_{k−1}, with the current A_k",
        ("            w = A @ v_bar  # w = A_k v̄\n", "            w = A @ v_bar if k == 1 else w  # w = A_k v̄\n"),
    ),
    _lancbio(
        "T02",
        "b is that of the last restart",
        "right in the first iteration; wrong from the second on where b moves, and at the next restart v̄ is wrong",
        "the residual of the restart is kept together with w",
        "the right-hand side of every step is Q_jᵀ(b_k − w): only w is old",
        ("r = b - w  # the current b", "r = b_restart - w  # the current b"),
        (RESTART, RESTART + "            b_restart = b\n"),
    ),
    _lancbio(
        "T03",
        "‖r‖e_1 takes the place of Q_jᵀr",
        "right in the first iteration; wrong from the second on where b moves, and at the next restart v̄ is wrong",
        "the formula of the static process, in which r is r_0 = ‖r_0‖q_1, is used for the dynamic one",
        "project: Q_jᵀ(b_k − w) has j entries that are not zero",
        (RIGHT, "dv = Q @ np.linalg.solve(T, norm(r) * np.eye(len(T))[0])  # Δv"),
    ),
    _lancbio(
        "T04",
        "the warm start is dropped: v_k = Δv",
        "v is wrong by v̄ from the first iteration on, from the second restart on where v_0 = 0",
        "the correction is taken for the solution",
        "v_k = v̄ + Δv",
        ("v = v_bar + dv  # v_k", "v = dv  # v_k"),
    ),
    _lancbio(
        "T05",
        "Δv is added to v_{k−1} instead of v̄",
        "right in the first iteration; v drifts from the second on",
        "v is updated in place",
        "Δv is measured from the restart: v_k = v̄ + Δv",
        ("v = v_bar + dv  # v_k", "v = v + dv  # v_k"),
    ),
    _lancbio(
        "T06",
        "β and q_{j−1} survive a restart",
        "α is wrong in the first step after a restart",
        "β_1 = 0 and q_0 = 0 are set once, at the start of the run",
        "a restart empties the process: β_1 = 0, q_0 = 0",
        (
            "q, q_before, beta = direction(b - w), np.zeros(n), 0.0",
            "q = direction(b - w)\n            if k == 1:\n                q_before, beta = np.zeros(n), 0.0",
        ),
    ),
    _lancbio(
        "T07",
        "T is stale after a restart",
        "right until the second restart; then Δv is solved for with entries of the old T",
        "Q is emptied and T is not",
        "a restart empties Q and T",
        (EMPTY, "Q = np.zeros((n, 0))\n            if k == 1:\n                alphas, betas = [], []"),
        ("T = tridiagonal(alphas, betas)\n", "T = tridiagonal(alphas, betas)[: Q.shape[1], : Q.shape[1]]\n"),
    ),
    _lancbio(
        "T08",
        "no residual is formed: b stands for b − w",
        "wrong from the first iteration on, from the second restart on where v_0 = 0: v̄ is counted twice",
        "the process is started with ∇_y f itself, though v̄ is not zero",
        "q_1 and the right-hand side belong to r = b_k − w",
        ("q, q_before, beta = direction(b - w)", "q, q_before, beta = direction(b)"),
        ("r = b - w  # the current b", "r = b  # the current b"),
    ),
    _lancbio(
        "T09",
        "m counted from 0: a restart at k mod m = 0",
        "the second restart comes one iteration early",
        "k counts from 0 in one place and from 1 in another",
        "iterations count from 1, and a restart is due at k mod m = 1",
        ("or k % m == 1:", "or k % m == 0:"),
    ),
    _lancbio(
        "T10",
        "the first basis vector is deleted instead of a restart",
        "right for m iterations; then v̄ and w are old, and T is no longer a Lanczos matrix",
        "a sliding window: the first column of Q and the first row and column of T are thrown away",
        "restart: new v̄, w, q_1, and Q and T empty",
        (
            "        if restart_due or full or m == 1 or k % m == 1:\n",
            (
                "        if k > 1 and (full or m == 1 or k % m == 1):\n"
                "            Q, alphas, betas = Q[:, 1:], alphas[1:], betas[1:]\n"
                "        if k == 1:\n"
            ),
        ),
    ),
    _lancbio(
        "T11",
        "A is that of the last restart",
        "right in the first iteration; α is wrong from the second on where A moves",
        "the operator is captured when the process begins",
        "every step multiplies by the current A_k",
        ("u = A @ q - beta * q_before  # u = A_k", "u = A_restart @ q - beta * q_before  # u = A_k"),
        (RESTART, RESTART + "            A_restart = A\n"),
    ),
    _lancbio(
        "T12",
        "β_j q_{j−1} is not subtracted",
        "α_1, β_2, α_2 and v of the first two iterations are right; β_3 is the first that is wrong",
        "two terms instead of three",
        "u = A_k q_j − β_j q_{j−1}",
        ("u = A @ q - beta * q_before  # u = A_k", "u = A @ q  # u = A_k"),
    ),
    _lancbio(
        "T13",
        "T is off by one: β_{j+1} stands where β_j belongs",
        "α and β are right in the first process, v from its second iteration on is not",
        "β_1 = 0 is or is not stored, and the other part of the code believes the contrary",
        "the entry beside α_j and α_{j+1} is β_{j+1} = ‖ω_j‖",
        ("off = betas[: len(alphas) - 1]", "off = [0.0, *betas][: len(alphas) - 1]"),
    ),
    _lancbio(
        "T14",
        "h is formed with v_{k−1}",
        "v is right in the first iteration, h is that of the old v",
        "x is updated before v",
        "first v_k, then h_k = c_k − J_k v_k, then x_{k+1}",
        (
            "v = v_bar + dv  # v_k = v̄ + Δv\n        h = c - J @ v  # h_k = c_k − J_k v_k",
            "h = c - J @ v  # h_k = c_k − J_k v_k\n        v = v_bar + dv  # v_k = v̄ + Δv",
        ),
    ),
    _lancbio(
        "T15",
        "T is formed anew as Q_jᵀA_kQ_j",
        "right in the first iteration; v differs from the second on where A moves, α and β of the first process do not",
        "the identity of the static process is used where A is not one matrix",
        "T grows by (β_j, α_j), from A_j at iteration j",
        (RIGHT, "dv = Q @ np.linalg.solve(Q.T @ A @ Q, Q.T @ r)  # Δv"),
    ),
    _lancbio(
        "T16",
        "A, J, b, c are taken before the inner steps",
        "wrong from the first iteration on, unless ∇_y g = 0 there",
        "the linearization is formed first, and y moves afterwards",
        "first the inner steps, then A_k, J_k, b_k, c_k at (x_k, y_k)",
        (
            (
                "        y = inner_steps(problem, x, y, options)\n        A, J, b, c = point_of(problem, k, x, y)\n    "
                "    if k"
            ),
            (
                "        A, J, b, c = point_of(problem, k, x, y)\n        y = inner_steps(problem, x, y, options)\n    "
                "    if k"
            ),
        ),
    ),
    _lancbio(
        "T18",
        "the lower level begins anew in every iteration",
        "right in the first iteration; then y is what N steps from y_0 give",
        "y is initialized with y_0 inside the outer loop",
        "the inner steps begin at y_{k−1}",
        (
            "    rows, n, step_x = [], len(y)",
            "    y_0 = y\n    rows, n, step_x = [], len(y)",
        ),
        (
            (
                "        y = inner_steps(problem, x, y, options)\n        A, J, b, c = point_of(problem, k, x, y)\n    "
                "    if k"
            ),
            (
                "        y = inner_steps(problem, x, y_0, options)\n        A, J, b, c = point_of(problem, k, x, y)\n  "
                "      if k"
            ),
        ),
    ),
    _lancbio(
        "T19",
        "x steps uphill",
        "x_{k+1} = x_k + λh_k",
        "the sign of h is that of a descent direction",
        "x_{k+1} = x_k − λh_k",
        ("x = x - step_x * h  # x_{k+1}", "x = x + step_x * h  # x_{k+1}"),
    ),
    _lancbio(
        "T20",
        "⌊ρm⌋ stands for ⌈ρm⌉ in the schedule",
        "m never grows from 1, or grows late",
        "a cast to integer rounds down",
        "m ← min(⌈ρm⌉, m_max)",
        ("math.ceil(schedule", "math.floor(schedule"),
    ),
    _lancbio(
        "T21",
        "with m = 1 the basis is emptied: v = 0",
        "v stays 0 and x follows c alone as long as m = 1",
        "the oldest vector is deleted before the step is made, and there is no other",
        "m = 1 is a restart in every iteration: one step from v̄ = v_{k−1}",
        ("v = v_bar + dv  # v_k", "v = v_bar + dv if m > 1 else 0 * v  # v_k"),
    ),
    _lancbio(
        "T22",
        "v̄ is not refreshed at a restart",
        "right until the second restart; then every Δv begins at v_0",
        "v̄ is set once, at the start of the run",
        "at every restart v̄ = v_{k−1}",
        ("            v_bar = v  # v̄", "            v_bar = v if k == 1 else v_bar  # v̄"),
    ),
    _lancbio(
        "T23",
        "the right-hand side is Q_jᵀb_k, without w",
        "right while v̄ = 0; afterwards v̄ is counted twice",
        "q_1 is formed with b − w, and the projection with b",
        "Δv solves A Δv = b − A v̄: project b_k − w",
        (RIGHT, "dv = Q @ np.linalg.solve(T, Q.T @ b)  # Δv"),
    ),
    _lancbio(
        "T24",
        "w is formed anew in every iteration",
        "right in the first iteration; v is wrong from the second on where A moves; one product more in each",
        "w = A_k v̄ stands inside the loop",
        "w is that of the last restart",
        ("r = b - w  # the current b", "r = b - A @ v_bar  # the current b"),
    ),
    _lancbio(
        "T25",
        "q_{j+1} is not normalized",
        "right in the first iteration; α is wrong from the second on",
        "ω itself is appended to Q",
        "q_{j+1} = ω/β_{j+1}",
        ("q_before, q = q, direction(omega)", "q_before, q = q, omega"),
    ),
)

SUBBIO = (
    _subbio(
        "T30",
        "the Hessian is evaluated at (x, v) instead of (x, y)",
        "right where A does not depend on y",
        "v takes y's place in the call of the 2 × 2 projection",
        "SᵀA_kS with A_k = ∇²_yy g(x_k, y_k)",
        (GALERKIN, "A = point_of(problem, k, x, v)[0]\n        " + GALERKIN),
    ),
    _subbio(
        "T31",
        "b is not in the subspace",
        "v is a multiple of (I − ηA)v_{k−1}, zero where v_0 is: one dimension is missing",
        "the subspace is built from the gradient step alone",
        "S_k = span{b_k, (I − ηA_k)v_{k−1}}",
        (PAIR, "S = orthonormal(v - eta * (A @ v), 0 * b)  # b_k"),
    ),
    _subbio(
        "T32",
        "A v takes the place of (I − ηA)v",
        "another subspace: right where v_{k−1} is an eigenvector or zero",
        "the identity is left out",
        "S_k = span{b_k, v_{k−1} − ηA_k v_{k−1}}",
        (PAIR, "S = orthonormal(b, A @ v)  # b_k"),
    ),
    _subbio(
        "T33",
        "(I + ηA)v takes the place of (I − ηA)v",
        "another subspace: right where v_{k−1} is an eigenvector or zero",
        "a sign",
        "the second direction is a step of gradient descent: v − ηA v",
        (PAIR, "S = orthonormal(b, v + eta * (A @ v))  # b_k"),
    ),
    _subbio(
        "T34",
        "the correction is taken for the solution",
        "v_k solves the Galerkin system for b − A v_{k−1} and is not added to v_{k−1}",
        "residual and right-hand side are exchanged",
        "v_k itself lies in S_k: SᵀA_kS z = Sᵀb_k",
        (GALERKIN, "v = S @ np.linalg.solve(S.T @ A @ S, S.T @ (b - A @ v))  # SᵀA_kS z"),
    ),
    _subbio(
        "T35",
        "S is taken for orthonormal, and is not",
        "wrong by far unless the two directions happen to be orthonormal",
        "the small system is solved with SᵀA S, the answer formed with another S",
        "one S throughout: orthonormalize first",
        (
            GALERKIN,
            (
                "W = np.column_stack([b, v - eta * (A @ v)])[:, : S.shape[1]]\n        v = W @ np.linalg.solve(S.T @ A"
                " @ S, S.T @ b)  # SᵀA_kS z"
            ),
        ),
    ),
    _subbio(
        "T36",
        "v is never updated",
        "the subspace is that of v_0 in every iteration",
        "the new v is used for h and then forgotten",
        "v_k enters S_{k+1}",
        (PAIR, "S = orthonormal(b, v_0 - eta * (A @ v_0))  # b_k"),
        (
            '    step_x, eta = options.get("step_x", 0.0), options["step_v"]\n',
            '    v_0 = v\n    step_x, eta = options.get("step_x", 0.0), options["step_v"]\n',
        ),
    ),
    _subbio(
        "T37",
        "v takes a gradient step",
        "v lies in the subspace, and is not the best in it",
        "v_{k−1} − η(A v_{k−1} − b) is taken for the minimizer",
        "minimize over both directions: SᵀA_kS z = Sᵀb_k",
        ("v = S @ np.linalg.solve(S.T @ A @ S, S.T @ b)", "v = v - eta * (A @ v - b)"),
    ),
)

SHARED = (
    Fault(
        "T17",
        "one inner step too few",
        "trace",
        "y is wrong from the first iteration on",
        "range(1, N) where range(N) was meant",
        "N steps y ← y − θ∇_y g",
        (
            Edit(
                "trace",
                'for _ in range(options.get("inner_steps", 1)):',
                'for _ in range(options.get("inner_steps", 1) - 1):',
            ),
        ),
        "dense",
        methods=("lancbio", "subbio", "amigo-cg", "amigo-gd", "stocbio", "bsa"),
    ),
    Fault(
        "T90",
        "one batch is drawn and reused in every iteration",
        "trace",
        "right in the first iteration; then A, J, b and c do not move",
        "the loader is called, or the derivatives are formed, outside the loop",
        "A_k, J_k, b_k, c_k are new in every iteration, each on a batch of its own",
        (Edit("problems", "return problem.at(k, x, y)", "return problem.at(1, x, y)"),),
        "dense",
        methods=("lancbio", "subbio"),
    ),
)

FAULTS = LANCBIO + SUBBIO + SHARED
