"""``lanczos`` refuses what it sees is not symmetric, and nothing else; ``check_symmetry`` asks two random vectors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from lancbio_ref import ArgumentError, lanczos, lanczos_solve
from tests.thorough import covering
from validation.truths.matrices import read_matrix

MODES = ("full", "selective", "partial", "local", "none")
EXPECTED = "a symmetric (Hermitian) operator"


def random(rng, n, dtype):
    return (
        rng.standard_normal((n, n)) + (1j * rng.standard_normal((n, n)) if np.dtype(dtype).kind == "c" else 0)
    ).astype(dtype)


@pytest.mark.parametrize(
    "mode, dtype, scale, wrap",
    covering(MODES, [float, complex], [1.0, 2.0**900, 2.0**-900], [np.array, aslinearoperator]),
)
def test_an_operator_that_is_not_symmetric_is_refused(mode, dtype, scale, wrap):
    A = scale * random(np.random.default_rng(0), 6, dtype)
    with pytest.raises(ArgumentError) as caught:
        lanczos(wrap(A), np.ones(6, dtype), 6, reorthogonalization=mode)
    assert caught.value.argument == "A" and caught.value.expected == EXPECTED and "at step" in caught.value.found


@pytest.mark.parametrize("mode", MODES)
def test_an_imaginary_diagonal_shows_at_the_first_step(mode):
    with pytest.raises(ArgumentError, match="at step 1"):
        lanczos(np.diag([1 + 0.5j, 2 + 0.5j]), [1.0, 1.0], 1, reorthogonalization=mode)


def test_full_sees_the_whole_projected_matrix():
    """Upper Hessenberg beyond the three diagonals that are symmetric: q_1ᵀA q_3 ≠ 0 = q_3ᵀA q_1."""
    A = np.diag([1.0, 2, 3, 4]) + np.diag([1.0, 1, 1], 1) + np.diag([1.0, 1, 1], -1)
    A[0, 2] = 0.5
    with pytest.raises(ArgumentError, match=r"differ by 0\.1.* at step 3"):
        lanczos(A, np.eye(4)[0], 4)


@pytest.mark.parametrize("mode", MODES)
def test_a_small_asymmetry_of_an_array_is_seen(mode):
    rng = np.random.default_rng(1)
    A = random(rng, 6, float)
    A = A + A.T
    A[0, 1] += 1e-10
    with pytest.raises(ArgumentError):
        lanczos(A, rng.standard_normal(6), 6, reorthogonalization=mode)


STEPS = {"bcsstk01": 48, "nos5": 200, "494_bus": 200, "lund_a": 147}


@pytest.mark.parametrize("name, wrap, dtype", covering(STEPS, [csr_array, aslinearoperator], "fd"))
def test_real_matrices_raise_no_alarm(data_dir, name, wrap, dtype):
    k = STEPS[name]
    path = data_dir / "spd-matrices" / f"{name}.mtx.gz"
    if not path.exists():
        pytest.skip(f"{path.name} is not in the data directory")
    A = read_matrix(path).astype(dtype)
    for mode in MODES:
        start = np.random.default_rng(0).standard_normal(A.shape[0]).astype(dtype)
        run = lanczos(wrap(A), start, k, reorthogonalization=mode, check_symmetry=True)
        assert 0 < run.asymmetry < A.shape[0] * np.finfo(dtype).eps


@given(
    st.integers(1, 7),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["f", "d", "F", "D"]),
    st.sampled_from(MODES),
    st.sampled_from([0, -100, 90]),
    st.booleans(),
)
def test_a_symmetric_operator_raises_no_alarm(n, seed, dtype, mode, shift, wrapped):
    """Condition numbers to 1e14, starts at an eigenvector, where all that follows is rounding."""
    rng = np.random.default_rng(seed)
    S = random(rng, n, np.promote_types(dtype, "d"))
    Q = np.linalg.qr(S)[0]
    A = (Q * 10.0 ** rng.uniform(-14, 0, n)) @ Q.conj().T
    A = np.tril(A, -1) + np.tril(A, -1).conj().T + np.diag(np.diag(A).real)
    A = (2.0**shift * A).astype(dtype)
    start = (Q[:, 0], Q[:, -1], S[:, 0])[seed % 3].astype(dtype)
    operator = aslinearoperator(A) if wrapped else A
    lanczos(operator, start, 1 + seed % n, reorthogonalization=mode, check_symmetry=True)


def test_a_product_in_float32_is_no_alarm():
    rng = np.random.default_rng(2)
    A = random(rng, 40, float)
    single = (A + A.T).astype("f")
    operator = LinearOperator((40, 40), matvec=lambda v: (single @ v.astype("f")).astype(float), dtype=float)
    for mode in MODES:
        assert lanczos(operator, np.ones(40), 20, reorthogonalization=mode, check_symmetry=True).asymmetry < 1e-5


@pytest.mark.parametrize("call", [lanczos_solve, lambda A, b, **options: lanczos(A, b, 1, **options)])
def test_the_probe(call):
    rng = np.random.default_rng(3)
    A = np.diag(np.linspace(1, 2, 9))
    call(A, np.ones(9), check_symmetry=True)
    A[0, 8] = 1e-9  # as a black box, 1e-9 is rounding for all that is known
    call(aslinearoperator(A), np.ones(9), check_symmetry=True)
    with pytest.raises(ArgumentError, match="for random v and w"):
        call(A, np.ones(9), check_symmetry=True)
    with pytest.raises(ArgumentError, match="for random v and w"):
        call(aslinearoperator(A + rng.standard_normal((9, 9))), np.ones(9), check_symmetry=True)
    call(A, np.ones(9))  # one step of a real A shows nothing, and a solve is judged by its residual
    with pytest.raises(ArgumentError) as caught:
        call(A, np.ones(9), check_symmetry="yes")
    assert caught.value.argument == "check_symmetry"


def test_the_probe_takes_two_products():
    calls = []
    A = LinearOperator((3, 3), matvec=lambda v: calls.append(1) or 2 * v, dtype=float)
    lanczos(A, np.ones(3), 1)
    before = len(calls)
    lanczos(A, np.ones(3), 1, check_symmetry=True)
    assert len(calls) <= 2 * before + 3  # two, and one for ‖A‖ of a black box
