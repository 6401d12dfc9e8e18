"""Faults of `lanczos`: α, β and Q."""

from __future__ import annotations

from .base import Edit, Fault


def _edit(correct: str, wrong: str) -> Edit:
    return Edit("lanczos", correct, wrong)


RECURRENCE = "u = A @ q - beta * q_before  # u_j"
PASS = "w = w - Q @ (Q.T @ w)  # (I − QQᵀ) w_j"

FAULTS = (
    Fault(
        "L01",
        "no reorthogonalization, claimed as full",
        "lanczos",
        "α and β are right for small k; QᵀQ = I is lost as soon as a Ritz value converges",
        "the three-term recurrence is trusted to keep Q orthogonal",
        "two passes of Gram–Schmidt against all of Q at every step, or claim none",
        (_edit("def lanczos(A, q1, k, passes=2)", "def lanczos(A, q1, k, passes=0)"),),
        "full",
        rounding=True,
    ),
    Fault(
        "L02",
        "only the last two vectors are reorthogonalized, claimed as full",
        "lanczos",
        "neighbours are orthogonal, distant vectors are not",
        "local reorthogonalization is mistaken for full",
        "orthogonalize against all of Q, or claim local",
        (_edit(PASS, "w = w - Q[:, -2:] @ (Q[:, -2:].T @ w)  # (I − QQᵀ) w_j"),),
        "full",
        rounding=True,
    ),
    Fault(
        "L03",
        "β_j q_{j−1} not subtracted",
        "lanczos",
        "α_1, β_2 and α_2 are right (q_1 ⊥ q_2); β_3 is the first that is wrong, and all that follows",
        "A q − β q_{j−1} is computed into a variable that nobody uses: two terms instead of three",
        "u_j = A q_j − β_j q_{j−1}, and go on with u_j",
        (_edit(RECURRENCE, "u = A @ q  # u_j"),),
        "none",
    ),
    Fault(
        "L04",
        "β_{j+1} = ‖w_j‖², without the root",
        "lanczos",
        "α_1 is right, β_2 is the square of what it should be, and q_2 has the length 1/β_2; all that follows is wrong",
        "w·w is taken for the norm",
        "β_{j+1} = √(w_jᵀw_j)",
        (_edit("beta = norm(w)  # β_{j+1}", "beta = w @ w  # β_{j+1}"),),
        "none",
    ),
    Fault(
        "L05",
        "q_{j+1} is not normalized",
        "lanczos",
        "the columns of Q have the lengths β_{j+1}; right only where these are 1",
        "the division by β_{j+1} is missing",
        "q_{j+1} = w_j/β_{j+1}",
        (_edit("q_before, q = q, w / beta  # q_{j+1}", "q_before, q = q, w  # q_{j+1}"),),
        "none",
    ),
    Fault(
        "L06",
        "the start is not normalized",
        "lanczos",
        "α_1 is too large by ‖q1‖², and q_1 is not of length 1; right where q1 is",
        "the process is started with the residual itself",
        "q_1 = r_0/‖r_0‖",
        (
            _edit(
                "    q, q_before, beta = q1 / norm(q1), np.zeros(n, A.dtype), 0.0\n",
                "    q, q_before, beta = q1, np.zeros(n, A.dtype), 0.0\n",
            ),
        ),
        "none",
    ),
    Fault(
        "L07",
        "β is shifted by one: β_1 = 0 … β_k is returned",
        "lanczos",
        "the first β is 0, and the last one, the residual norm, is missing",
        "β_1 is stored though it is not an entry of T",
        "return β_2 … β_{k+1}",
        (
            _edit(
                "return np.array(alphas), np.array(betas), Q\n\n\ndef size",
                "return np.array(alphas), np.array([0.0, *betas[:-1]]), Q\n\n\ndef size",
            ),
        ),
        "full",
    ),
    Fault(
        "L08",
        "the breakdown is passed over",
        "lanczos",
        "right up to the invariant space; then noise, divided by its own norm, or NaN",
        "no test of β_{j+1} against u‖A‖",
        "stop when β_{j+1} ≤ n u‖A‖: the space is invariant, and no q_{j+1} exists",
        (
            _edit(
                "        if beta <= (n + 10) * roundoff(A) * size_of_column(alphas, betas):  # K_j is invariant: no"
                " q_{j+1}\n            break\n",
                "",
            ),
        ),
        "full",
    ),
    Fault(
        "L09",
        "the rows of the ω-recurrence are swapped: row j decides in place of row j + 1",
        "lanczos",
        "partial reorthogonalization acts one step late: orthogonality is lost beyond √u, and where ω grows fast,"
        " entirely",
        "ω_{j+1} and ω_j are exchanged, or share one array",
        "keep two rows; look at row j + 1 before q_{j+1} is normalized, and rotate them after it is complete",
        (_edit("now = np.abs(omega_next[:-1])", "now = np.abs(omega[:-1])"),),
        "partial",
        rounding=True,
    ),
    Fault(
        "L10",
        "one step too few: k counted from 0",
        "lanczos",
        "all is right, but there are k − 1 columns where k were asked for",
        "range(1, k) where range(k) was meant",
        "k steps give k columns of Q, k entries of α and of β",
        (
            _edit(
                "    while len(alphas) < k:\n        Q = np.column_stack([Q, q])\n        u = A",
                "    while len(alphas) < k - 1:\n        Q = np.column_stack([Q, q])\n        u = A",
            ),
        ),
        "full",
    ),
    Fault(
        "L11",
        "α_j q_j is not subtracted",
        "lanczos",
        "α_1 is right, β_2 is ‖A q_1‖, and q_2 is not orthogonal to q_1",
        "w_j is taken before the projection on q_j is removed",
        "w_j = u_j − α_j q_j",
        (_edit("w = u - alpha * q  # w_j", "w = u  # w_j"),),
        "none",
    ),
    Fault(
        "L12",
        "α_j = ‖u_j‖ instead of q_jᵀu_j",
        "lanczos",
        "α_1 = ‖A q_1‖ is too large, and no α is negative; q_1 is all that is right",
        "a norm is formed where a projection is meant",
        "α_j = q_jᵀ u_j",
        (_edit("alpha = q @ u  # α_j", "alpha = norm(u)  # α_j"),),
        "none",
    ),
    Fault(
        "L13",
        "β_{j−1} stands where β_j belongs",
        "lanczos",
        "α_1, β_2 and α_2 are right; β_3 is the first that is wrong: β_2 was left out at the second step",
        "β is indexed from the wrong end: off by one in the recurrence",
        "u_j = A q_j − β_j q_{j−1}, β_j = ‖w_{j−1}‖ being the newest one",
        (_edit(RECURRENCE, "u = A @ q - (betas[-2] if len(betas) > 1 else 0.0) * q_before  # u_j"),),
        "none",
    ),
    Fault(
        "L14",
        "β_j q_{j−1} is added",
        "lanczos",
        "α_1, β_2 and α_2 are right; β_3 is the first that is wrong, too large, and all that follows",
        "a sign",
        "u_j = A q_j − β_j q_{j−1}",
        (_edit(RECURRENCE, "u = A @ q + beta * q_before  # u_j"),),
        "none",
    ),
    Fault(
        "L15",
        "the basis is kept in float32",
        "lanczos",
        "7 digits of orthogonality and of the identity, α and β to match",
        "Q is stored in single precision to save memory",
        "store Q in float64, or claim float32",
        (
            _edit(
                "        Q = np.column_stack([Q, q])\n        u = A",
                "        q = q.astype(np.float32).astype(float)\n        Q = np.column_stack([Q, q])\n        u = A",
            ),
        ),
        "full",
        rounding=True,
    ),
    Fault(
        "L16",
        "Q is returned by rows",
        "lanczos",
        "α and β are right; Q has the shape (k, n), or for k = n is the transpose",
        "rows and columns are stored the other way round (C and Fortran order)",
        "column j of the n × k array is q_j",
        (
            _edit(
                "return np.array(alphas), np.array(betas), Q\n\n\ndef size",
                "return np.array(alphas), np.array(betas), Q.T\n\n\ndef size",
            ),
        ),
        "full",
    ),
    Fault(
        "L17",
        "β_{j+1} is the norm from before the reorthogonalization",
        "lanczos",
        "α and Q are right, β_{j+1} is √(β_j² + β_{j+1}²)",
        "w_j = A q_j − α_j q_j still contains β_j q_{j−1}; Gram–Schmidt takes it out after β_{j+1} was formed",
        "β_{j+1} = ‖w_j‖ after w_j was reorthogonalized",
        (
            _edit(RECURRENCE, "u = A @ q  # u_j"),
            _edit(
                "w = u - alpha * q  # w_j = u_j − α_j q_j\n",
                "w = u - alpha * q  # w_j = u_j − α_j q_j\n        size = norm(w)\n",
            ),
            _edit("        betas.append(beta)\n", "        betas.append(size)\n"),
        ),
        "full",
    ),
)
