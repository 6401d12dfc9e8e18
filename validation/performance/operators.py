"""One product with each operator, beside NumPy or SciPy, and the bytes it must move."""

from common import interleaved, part

FOLDS = 5  # vectors at once


def measure(threads: int) -> dict:
    import numpy as np
    import scipy.sparse as sp

    from lancbio_ref.operators import (
        DenseOperator,
        DiagonalLowRank,
        GeneralizedLinear,
        PrescribedSpectrum,
        SparseOperator,
    )

    rng = np.random.default_rng(0)
    rows = []

    def row(name, size, bytes_moved, operator, peer, *, peer_name):
        v = rng.standard_normal(operator.shape[1]).astype(operator.dtype)
        compare(name, size, bytes_moved, lambda: operator.matvec(v), lambda: peer(v), peer_name)

    def several(name, size, bytes_moved, operator, peer, *, peer_name):
        V = rng.standard_normal((operator.shape[1], FOLDS))
        compare(name, size, bytes_moved, lambda: operator.matmat(V), lambda: peer(V), peer_name)

    def compare(name, size, bytes_moved, ours, peer, peer_name):
        difference = float(np.linalg.norm(ours() - peer()) / np.linalg.norm(peer()))
        times = interleaved({"ours": ours, "peer": peer}, seconds=1.5)
        rows.append(dict(operator=name, size=size, bytes=bytes_moved, peer=peer_name, difference=difference,
                         ours=times["ours"], peer_times=times["peer"]))  # fmt: skip

    for n, p in ((200, 20), (2000, 100), (20000, 500), (5000, 2000)):
        X, d, ridge = rng.standard_normal((n, p)), rng.random(n), rng.random(p)
        for kind, M in (("C", X), ("F", np.asfortranarray(X)), ("C, float32", X.astype(np.float32))):
            e, r = d.astype(M.dtype), ridge.astype(M.dtype)
            row(f"XᵀDX + Λ, dense, {kind}", f"{n} × {p}", M.nbytes, GeneralizedLinear(M, e, r),
                lambda v, M=M, e=e, r=r: M.T @ (e * (M @ v)) + r * v, peer_name="NumPy")  # fmt: skip
        if p == 500:
            several(f"XᵀDX + Λ, dense, {FOLDS} vectors", f"{n} × {p}", X.nbytes, GeneralizedLinear(X, d, ridge),
                    lambda V, X=X, d=d, r=ridge: X.T @ (d[:, None] * (X @ V)) + r[:, None] * V,
                    peer_name="NumPy")  # fmt: skip
        if p == 2000:
            row("dense", f"{n} × {p}", X.nbytes, DenseOperator(X), lambda v, X=X: X @ v, peer_name="NumPy")
    n, p = 11000, 30000
    S = sp.random_array((n, p), density=1e6 / (n * p), rng=rng, format="csr")
    d, ridge, ST = rng.random(n), rng.random(p), S.T
    moved = 12 * S.nnz
    row("XᵀDX + Λ, CSR", f"{n} × {p}, {S.nnz} nonzeros", moved, GeneralizedLinear(S, d, ridge),
        lambda v: ST @ (d * (S @ v)) + ridge * v, peer_name="SciPy")  # fmt: skip
    several(f"XᵀDX + Λ, CSR, {FOLDS} vectors", f"{n} × {p}, {S.nnz} nonzeros", moved, GeneralizedLinear(S, d, ridge),
            lambda V: ST @ (d[:, None] * (S @ V)) + ridge[:, None] * V, peer_name="SciPy")  # fmt: skip
    row("XᵀDX + Λ, CSC", f"{n} × {p}, {S.nnz} nonzeros", moved, GeneralizedLinear(sp.csc_array(S), d, ridge),
        lambda v: ST @ (d * (S @ v)) + ridge * v, peer_name="SciPy")  # fmt: skip
    n = 10**6
    T = sp.diags_array([np.full(n, 4.0), np.full(n - 1, -1.0), np.full(n - 1, -1.0)], offsets=[0, 1, -1], format="csr")
    row("sparse symmetric", f"{n}, {T.nnz} nonzeros", 12 * T.nnz + 20 * n, SparseOperator(T), lambda v: T @ v,
        peer_name="SciPy")  # fmt: skip
    d, U = rng.standard_normal(n), rng.standard_normal((n, 2))
    row("diagonal + low rank", f"{n}, rank 2", 8 * n * 8, DiagonalLowRank(d, U), lambda v: d * v + U @ (U.T @ v),
        peer_name="NumPy")  # fmt: skip
    spectrum = np.linspace(1.0, 100.0, n)
    cosine = PrescribedSpectrum(spectrum, rng=0)
    householder = PrescribedSpectrum(spectrum, rng=0, rotation="householder")
    v = rng.standard_normal(n)
    times = interleaved({"ours": lambda: householder.matvec(v), "peer": lambda: cosine.matvec(v)}, seconds=2)
    rows.append(dict(operator="prescribed spectrum, Householder", size=str(n), bytes=8 * n * 11,
                     peer="cosine transforms", difference=None,
                     ours=times["ours"], peer_times=times["peer"]))  # fmt: skip
    return dict(rows=rows)


if __name__ == "__main__":
    part(measure)
