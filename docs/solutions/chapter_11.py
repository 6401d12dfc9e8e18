"""Solutions of chapter 11, recycling.

1. (a) HY = SSᵀY + (I − SYᵀ)H_0(I − YSᵀ)Y = S + (I − SYᵀ)H_0(Y − Y) = S, by SᵀY = I. rᵀHr = ‖Sᵀr‖² + wᵀH_0w with w =
   r − YSᵀr, a sum of squares; it is 0 only for Sᵀr = 0 and w = 0, and then r = w + YSᵀr = 0.

   (b) In the coordinates A^{1/2}, with Z = A^{1/2}S, ZᵀZ = SᵀAS = I, P = I − ZZᵀ: A^{1/2}HA^{1/2} = ZZᵀ + P K P with
   K = A^{1/2}H_0A^{1/2}, which is similar to H_0A. On span(Z) it is 1. On the complement it is the compression of K,
   whose eigenvalues lie between the smallest and the largest of K (Rayleigh quotients of fewer vectors).

2. `block_inverse` below; rows in place of columns.

3. `turned` below. A diagonal ten times as far costs products, for A itself differs more from system to system, but no
   pair contradicts another: all of them belong to the A in force. Where B turns, y = B s is that of an older B: pairs
   contradict newer ones (by sᵢᵀyⱼ ≠ sⱼᵀyᵢ), some are dropped, and those that stay mislead a little.
"""

import numpy as np

from lancbio_ref.krylov.recycled import RecycledInverse


def block_inverse(S, Y, H0):
    """SᵀS + (I − SᵀY) H_0 (I − YᵀS), of rows S and Y."""
    one = np.eye(S.shape[1])
    return S.T @ S + (one - S.T @ Y) @ H0 @ (one - Y.T @ S)


def turned(n=120, angle=0.0, spread=0.3, systems=8):
    """Products of each system with all pairs kept, and how many pairs contradicted newer ones."""
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((n, n)))[0]
    B = (Q * np.geomspace(1e-3, 1.0, n)) @ Q.T
    H, v, spent = RecycledInverse(n, n), np.zeros(n), []
    for k in range(systems):
        R, c, s = np.eye(n), np.cos(k * angle), np.sin(k * angle)
        R[0, 0], R[0, -1], R[-1, 0], R[-1, -1] = c, -s, s, c
        d = 1e-3 * np.exp(spread * np.sin(k + np.arange(n)))
        A, right = R @ B @ R.T + np.diag(d), np.cos(0.1 * k + np.arange(n) / 7)
        H.change_diagonal(d)
        r, pairs = right - A @ v, []
        z = p = H(r)
        while np.linalg.norm(r) > 1e-6 * np.linalg.norm(right):
            Ap = A @ p
            step = (r @ z) / (p @ Ap)
            v, r_next = v + step * p, r - step * Ap
            pairs.append((p, Ap))
            z_next = H(r_next)
            p, r, z = z_next + (r_next @ z_next) / (r @ z) * p, r_next, z_next
        H.extend(pairs)
        spent.append(len(pairs))
    return spent, H.contradicting


def verify():
    rng = np.random.default_rng(0)
    # 1
    S, H0 = rng.standard_normal((3, 6)), np.diag(rng.uniform(1, 2, 6))
    Y = np.linalg.solve(S @ S.T, S) + 0.3 * (np.eye(6) - np.linalg.pinv(S) @ S)[:3]  # S Yᵀ = I, and no A behind it
    assert np.allclose(S @ Y.T, np.eye(3)) and np.allclose(block_inverse(S, Y, H0) @ Y.T, S.T)
    assert np.linalg.eigvalsh(block_inverse(S, Y, H0)).min() > 0
    M = rng.standard_normal((6, 6))
    A = M @ M.T + np.eye(6)
    S = np.linalg.solve(np.linalg.cholesky(S @ A @ S.T), S)  # S A Sᵀ = I
    ours = np.sort(np.linalg.eigvals(block_inverse(S, S @ A, H0) @ A).real)
    plain = np.sort(np.linalg.eigvals(H0 @ A).real)
    others = ours[abs(ours - 1) > 1e-9]
    assert plain[0] * (1 - 1e-9) <= others.min() and others.max() <= plain[-1] * (1 + 1e-9)

    # 2
    H = RecycledInverse(6, 6)
    H.extend([(s, A @ s) for s in rng.standard_normal((3, 6))])
    for more in (np.zeros(6), np.arange(6.0)):
        H.change_diagonal(more)
        r = rng.standard_normal(6)
        assert np.allclose(H(r), block_inverse(H.S, H.Y, np.diag(H.H0)) @ r)
        assert np.allclose(H.Y, H.S @ (A + np.diag(more)))

    # 3
    (still, none), (far, none_far), (turning, some) = turned(), turned(spread=3.0), turned(angle=0.1)
    print(sum(still), none, sum(far), none_far, sum(turning), some)
    assert none == none_far == 0 < some
    assert sum(still[1:]) < sum(far[1:]) and sum(still[1:]) < sum(turning[1:])


if __name__ == "__main__":
    verify()
