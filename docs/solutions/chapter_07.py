"""Solutions of chapter 7, SubBiO and LancBiO.

1. (a) With one A and b, b − w = r_0 = ‖r_0‖q_1 at every step, and the q are orthonormal: Qᵀ(b − w) = ‖r_0‖Qᵀq_1 =
   ‖r_0‖e_1. Both conditions are needed: b as at the restart, and QᵀQ = I, which a moving A spoils to the order of the
   drift and rounding by and by.

   (b) Let P be the plane, AP ⊆ P. A is invertible, so AP = P and A⁻¹P = P, hence A⁻¹b ∈ P = S_k. The smallest A-norm
   error over S_k is 0, and only A⁻¹b has it.

   (c) T = [[2, 1.9], [1.9, t]]: the second row of T is made of β_2 = 1.9 and α_2 = e_2ᵀ(A_2e_2 − 1.9e_1) = t. det T =
   2t − 3.61 < 0 for t < 1.805; A_2 is positive definite for t > 0.05²/2. So T is indefinite for 0.00125 < t < 1.805.

2. `subbio_step` and `lancbio_step` below. The Galerkin matrix of SubBiO is singular where the two directions are
   dependent; then one spans the space (b = 0 and v = 0 leave none). T is solved with pivoting, `numpy.linalg.solve`,
   for it may be indefinite.

3. At a drift of 1e-4 and m = 10 the medians of ‖b − Av‖/‖b‖ are 1.7e-4 where A alone moves and 1.1e-4 where b alone
   does. Both are in proportion to the drift. (iii) and (iv) carry the factors ‖y‖ and ‖v̄‖, (i) does not.

   With ‖r_0‖e_1 in place of Qᵀ(b_k − w) the case of A does not change (1.7e-4, the same to three digits: b_k − w is
   r_0 then, and Qᵀr_0 differs from ‖r_0‖e_1 by the loss of orthogonality alone, which is of the order of the drift,
   of a vector of that order). The case of b suffers, but little: 1.2e-4 instead of 1.1e-4. For b_k − b of the restart
   is a vector of its own direction, and the j directions of Q hold but a small part of it; what Q does not hold, (i),
   no right-hand side can bring back before the next restart.
"""

import numpy as np

from lancbio_ref import LanczosProcess


def length(w):
    """‖w‖; no square over- or underflows."""
    largest = np.abs(w).max(initial=0.0)
    return largest * np.linalg.norm(w / largest) if largest > 0 else 0.0


def subbio_step(A, b, v, eta):
    """The minimizer of ½vᵀAv − vᵀb over span{b, (I − ηA)v}."""
    columns = []
    for vector in (b, v - eta * (A @ v)):
        size = length(vector)
        if size == 0:
            continue
        rest = vector / size
        for q in columns * 2:  # Gram–Schmidt, twice
            rest = rest - (q @ rest) * q
        if np.linalg.norm(rest) > 1e-14 * np.sqrt(b.size):
            columns.append(rest / np.linalg.norm(rest))
    if not columns:
        return np.zeros_like(b)
    S = np.column_stack(columns)
    return S @ np.linalg.solve(S.T @ (A @ S), S.T @ b)


def lancbio_step(A, b, w, v_bar, Q, alpha, beta):
    """α_j, β_{j+1}, q_{j+1} and v = v_bar + Q T_j⁻¹ Qᵀ(b − w), w being the A v_bar of the restart."""
    q = Q[:, -1]
    u = A @ q
    if Q.shape[1] > 1:
        u = u - beta[-1] * Q[:, -2]
    alpha_j = q @ u
    omega = u - alpha_j * q
    beta_next = length(omega)
    q_next = omega / beta_next if beta_next > 0 else np.zeros_like(omega)
    T = np.diag(np.append(alpha, alpha_j)) + np.diag(beta, 1) + np.diag(beta, -1)
    v = v_bar + Q @ np.linalg.solve(T, Q.T @ (b - w))
    return alpha_j, beta_next, q_next, v


def sequence(drift_A, drift_b, n=60, K=240):
    """The sequence of the chapter with a drift of its own for A and for b."""
    rng = np.random.default_rng(0)
    X, _ = np.linalg.qr(rng.standard_normal((n, n)))
    A_0 = (X * np.logspace(0, 2, n)) @ X.T
    A_0 = (A_0 + A_0.T) / 2
    B = rng.standard_normal((n, n))
    B = (B + B.T) / np.linalg.norm(B + B.T, 2)
    b_0, b_1 = rng.standard_normal(n), rng.standard_normal(n)
    b_1 /= np.linalg.norm(b_1)
    for k in range(K):
        yield A_0 + k * drift_A * B, b_0 + k * drift_b * b_1


def late_residual(drift_A, drift_b, m=10, projected=True):
    """The median of ‖b − Av‖/‖b‖ for k ≥ 120, with Qᵀ(b_k − w) or with ‖r_0‖e_1 on the right."""
    v, residuals = np.zeros(60), []
    for k, (A, b) in enumerate(sequence(drift_A, drift_b)):
        if k % m == 0:
            v_bar, w = v, A @ v
            process = LanczosProcess(b - w)
        process.step(A)
        right = process.Q.T @ (b - w) if projected else process.start_norm * np.eye(process.k)[0]
        v = v_bar + process.Q @ np.linalg.solve(process.T, right)
        residuals.append(np.linalg.norm(b - A @ v) / np.linalg.norm(b))
    return float(np.median(residuals[120:]))


def right_hand_sides(drift=1e-4):
    """{(what moves, right-hand side): median residual}."""
    moves = {"A": (drift, 0.0), "b": (0.0, drift)}
    return {(name, p): late_residual(*moves[name], projected=p) for name in moves for p in (True, False)}


def verify():
    rng = np.random.default_rng(0)
    n, m = 12, 6
    A = rng.standard_normal((n, n))
    A = A @ A.T + n * np.eye(n)
    b, v_bar = rng.standard_normal(n), rng.standard_normal(n)

    # 1 (a) and 2: with one A, m steps are the Galerkin solution over the Krylov space, and Qᵀr_0 is ‖r_0‖e_1
    w = A @ v_bar
    r_0 = b - w
    Q, alpha, beta = (r_0 / np.linalg.norm(r_0))[:, None], np.zeros(0), np.zeros(0)
    for _ in range(m):
        alpha_j, beta_next, q_next, v = lancbio_step(A, b, w, v_bar, Q, alpha, beta)
        last, alpha, beta = Q, np.append(alpha, alpha_j), np.append(beta, beta_next)
        Q = np.column_stack([Q, q_next])
    assert np.allclose(last.T @ r_0, np.linalg.norm(r_0) * np.eye(m)[0], atol=1e-12)
    assert np.allclose(last.T @ (b - A @ v), 0, atol=1e-12)
    T = np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1)
    assert np.allclose(A @ last, last @ T + beta[-1] * np.outer(q_next, np.eye(m)[-1]), atol=1e-12)

    # 2: SubBiO's residual is orthogonal to both directions, and its error is no larger than that of the gradient step
    for eta in (0.001, 0.05, 1.0):
        v = subbio_step(A, b, v_bar, eta)
        residual, step = b - A @ v, v_bar - eta * (A @ v_bar - b)
        assert abs(residual @ b) < 1e-11 and abs(residual @ (v_bar - eta * A @ v_bar)) < 1e-9
        e, e_step = np.linalg.solve(A, b) - v, np.linalg.solve(A, b) - step
        assert e @ A @ e <= e_step @ A @ e_step * (1 + 1e-12)
    assert np.allclose(subbio_step(A, b, np.zeros(n), 0.1), b * (b @ b) / (b @ A @ b))  # one direction

    # 1 (b): a plane of two eigenvectors
    _, Z = np.linalg.eigh(A)
    b_plane, v_plane = Z[:, 1] + Z[:, 7], 2 * Z[:, 1] - Z[:, 7]
    assert np.allclose(A @ subbio_step(A, b_plane, v_plane, 0.01), b_plane, atol=1e-12)

    # 1 (c): T from the two matrices, on either side of t = 1.805
    for t, indefinite in ((0.0013, True), (0.1, True), (1.80, True), (1.81, False)):
        process = LanczosProcess([1.0, 0.0])
        for matrix in ([[2.0, 1.9], [1.9, 2.0]], [[2.0, 0.05], [0.05, t]]):
            assert np.linalg.eigvalsh(matrix)[0] > 0
            process.step(np.array(matrix))
        assert (np.linalg.eigvalsh(process.T)[0] < 0) == indefinite
        found = lancbio_step(
            np.array(matrix), np.ones(2), np.zeros(2), np.zeros(2), np.eye(2), np.array([2.0]), np.array([1.9])
        )
        assert np.allclose(process.T @ found[3], [1.0, 1.0])  # also where T is indefinite

    # 3
    found = right_hand_sides()
    assert abs(found["A", True] / 1.7e-4 - 1) < 0.1 and abs(found["b", True] / 1.1e-4 - 1) < 0.1
    assert abs(found["A", False] / found["A", True] - 1) < 1e-3
    assert 1.05 < found["b", False] / found["b", True] < 1.15
    for moves in ((1e-3, 0.0), (0.0, 1e-3)):
        assert abs(late_residual(*moves) / late_residual(*np.array(moves) / 10) / 10 - 1) < 0.1


if __name__ == "__main__":
    verify()
