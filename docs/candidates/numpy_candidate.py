"""A candidate in NumPy: every level, LancBiO and SubBiO among the traces, in the plainest code that is right.

lancbio-ref check --candidate docs.candidates.numpy_candidate:solve
lancbio-ref check --candidate docs.candidates.numpy_candidate:hypergradient
lancbio-ref check --candidate docs.candidates.numpy_candidate:lanczos
lancbio-ref check --candidate docs.candidates.numpy_candidate:trace --family lancbio-sequence,subbio-sequence
"""

import math

import numpy as np


def solve(A, b, v0):
    """A v = b by Cholesky's factorization, which refuses an A that is not positive definite."""
    if not np.array_equal(A, A.T):
        raise ValueError("A is not symmetric")
    s, t = exponent(A), exponent(b)
    L = np.linalg.cholesky(np.ldexp(A, -s))  # powers of two keep all numbers near 1 and change no digit
    if np.min(np.diag(L)) ** 2 <= b.size * 2.0**-53:
        raise ValueError("A is singular to working precision")
    v = np.ldexp(np.linalg.solve(L.T, np.linalg.solve(L, np.ldexp(b, -t))), t - s)
    if not np.isfinite(v).all():
        raise OverflowError("v is not representable")
    return v


def hypergradient(case):
    """h = c − J A⁻¹b."""
    return case["c"] - case["J"] @ solve(case["A"], case["b"], case["v0"])


def lanczos(A, q1, k):
    """k steps of the Lanczos process with full reorthogonalization; fewer where the space is invariant."""
    if not np.array_equal(A, A.T):
        raise ValueError("A is not symmetric")
    s = exponent(A)
    A, q1 = np.ldexp(A, -s), np.ldexp(q1, -exponent(q1))
    alpha, beta, Q = [], [], np.zeros((q1.size, 0))
    q = q1 / np.linalg.norm(q1)
    while len(alpha) < k:
        Q = np.column_stack([Q, q])
        w = A @ q
        alpha.append(q @ w)  # in exact arithmetic q_jᵀ(A q_j − β_j q_{j−1})
        for _ in range(2):
            w -= Q @ (Q.T @ w)  # α_j q_j and β_j q_{j−1} go out, and what rounding left of the others
        beta.append(np.linalg.norm(w))
        if beta[-1] <= 10 * q.size * 2.0**-53 * np.linalg.norm(A):
            break
        q = w / beta[-1]
    return np.ldexp(alpha, s), np.ldexp(beta, s), Q, "full"


def exponent(a):
    """The e with 2^{e−1} ≤ max|a_i| < 2^e."""
    return int(np.frexp(np.max(np.abs(a)))[1])


# -- traces of LancBiO and SubBiO, A_k, J_k, b_k, c_k given outright ---------------------------


def trace(case):
    """One dict an iteration; what it leaves out (α, β, …) is not compared."""
    if case.get("sequence") is None or case["method"] not in ("lancbio", "subbio"):
        raise ValueError("this candidate follows lancbio-sequence and subbio-sequence only")
    method = lancbio if case["method"] == "lancbio" else subbio
    return [
        {"k": k, "v": v, "h": c - J @ v} | more for k, (v, c, J, more) in enumerate(method(case["sequence"], case), 1)
    ]


def lancbio(sequence, case):
    """Algorithm 2 of Yang, Gao and Yuan (2025): one step of the dynamic Lanczos process an iteration."""
    options, v = case["options"]["subspace"], case["v0"]
    if not isinstance(options, dict):
        options = {"initial": options, "growth": 1.0, "every": 1, "maximum": options}
    m, due = options["initial"], True
    alphas, betas, Q = [], [], np.zeros((v.size, 0))
    for k, (A, J, b, c) in enumerate(zip(*(sequence[name] for name in "AJbc"), strict=True), 1):
        if k % options["every"] == options["every"] - 1:
            m = min(math.ceil(options["growth"] * m), options["maximum"])
        if due or m == 1 or k % m == 1 or len(alphas) >= min(options["maximum"], v.size):
            v_bar, w, alphas, betas, Q = v, A @ v, [], [], np.zeros((v.size, 0))
            q = b - w
        r, due = b - w, False
        if not r.any():  # nothing is left to correct
            v, due = v_bar, True
            yield v, c, J, {"dv": np.zeros_like(v)}
            continue
        q = q / norm(q)
        before = Q[:, -1] * betas[-1] if betas else 0.0
        Q = np.column_stack([Q, q])
        u = A @ q - before  # u = A_k q_j − β_j q_{j−1}
        alphas.append(q @ u)
        T = np.diag(alphas) + np.diag(betas, 1) + np.diag(betas, -1)
        q = u - alphas[-1] * q
        betas.append(norm(q))
        more = {"alpha": alphas[-1], "beta": betas[-1]}
        try:
            dv = Q @ np.linalg.solve(T, Q.T @ r)  # Δv = Q_j T_j⁻¹ Q_jᵀ(b_k − w)
        except np.linalg.LinAlgError:  # T is singular: v stays, and the next iteration restarts
            due = True
        else:
            v = v_bar + dv
            more["dv"] = dv
            due = betas[-1] <= 100 * 2.0**-53 * norm(A)
        yield v, c, J, more


def subbio(sequence, case):
    """Algorithm 1: v_k minimizes ½vᵀA_kv − vᵀb_k over span{b_k, (I − ηA_k)v_{k−1}}."""
    v, eta = case["v0"], case["options"]["step_v"]
    for A, J, b, c in zip(*(sequence[name] for name in "AJbc"), strict=True):
        S, sizes, _ = np.linalg.svd(np.column_stack([unit(b), unit(v - eta * (A @ v))]), full_matrices=False)
        S = S[:, sizes > 1e-14 * max(sizes[0], 1e-300)]
        v = S @ np.linalg.solve(S.T @ A @ S, S.T @ b)
        yield v, c, J, {}


def unit(a):
    size = norm(a)
    return a / size if size else a


def norm(a):
    """√Σa_i², near 1 while it is squared."""
    e = exponent(a)
    return np.ldexp(np.linalg.norm(np.ldexp(a, -e)), e)
