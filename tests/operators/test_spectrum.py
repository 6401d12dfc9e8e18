"""A matrix-free operator with prescribed eigenvalues, against its dense form."""

import time

import numpy as np
import pytest

from lancbio_ref import ArgumentError
from lancbio_ref.operators import PrescribedSpectrum, structure_of


@pytest.mark.parametrize("n", [1, 2, 7, 64, 101])
def test_spectrum_and_symmetry_against_the_dense_matrix(n):
    rng = np.random.default_rng(n)
    eigenvalues = rng.permutation(np.geomspace(1, 1e6, n)) * rng.choice([-1, 1], n)
    A = PrescribedSpectrum(eigenvalues, rng)
    dense = A @ np.eye(n)
    size = np.abs(eigenvalues).max()
    np.testing.assert_allclose(np.linalg.eigvalsh((dense + dense.T) / 2), np.sort(eigenvalues), atol=1e-14 * n * size)
    assert np.abs(dense - dense.T).max() <= 1e-14 * size
    np.testing.assert_array_equal(A.rmatvec(eigenvalues), A.matvec(eigenvalues))


def test_eigenvectors():
    A = PrescribedSpectrum([3.0, 1.0, 2.0, -5.0], rng=0)
    for i, value in enumerate(A.eigenvalues):
        q = A.rotate(np.eye(4)[i])
        assert abs(q @ q - 1) < 1e-15
        np.testing.assert_allclose(A @ q, value * q, atol=2e-15)
        np.testing.assert_allclose(A.rotate_back(q), np.eye(4)[i], atol=1e-15)


def test_no_coordinate_stays_alone():
    """The rotation mixes: no eigenvector of a large one has an entry near 1, and seeds differ."""
    n = 256
    Q = np.stack([PrescribedSpectrum(np.arange(n) + 1.0, rng=0).rotate(e) for e in np.eye(n)], axis=1)
    assert np.abs(Q).max() < 0.4
    assert not np.allclose(Q[:, 0], PrescribedSpectrum(np.arange(n) + 1.0, rng=1).rotate(np.eye(n)[0]))


def test_a_million_unknowns():
    A = PrescribedSpectrum(np.linspace(1, 1e5, 10**6), rng=0)
    start = time.perf_counter()
    v = A @ np.ones(10**6)
    assert np.isfinite(v).all() and time.perf_counter() - start < 20


def test_float32_stays_float32_and_a_black_box_claims_nothing():
    A = PrescribedSpectrum(np.ones(5, np.float32), rng=0)
    assert (A @ np.ones(5, np.float32)).dtype == np.float32
    assert structure_of(A) is None


@pytest.mark.parametrize("eigenvalues", [[], [[1.0]], [1.0, np.nan], "ab"])
def test_bad_eigenvalues(eigenvalues):
    with pytest.raises(ArgumentError, match="eigenvalues"):
        PrescribedSpectrum(eigenvalues)
    with pytest.raises(ArgumentError, match="rng"):
        PrescribedSpectrum([1.0], rng=-1)


def test_householder_rotation_has_the_spectrum_and_takes_vectors_back():
    eigenvalues = np.geomspace(1e-3, 1e3, 40)
    A = PrescribedSpectrum(eigenvalues, rng=0, rotation="householder")
    dense = A @ np.eye(40)
    np.testing.assert_allclose(dense, dense.T, atol=1e-12)
    np.testing.assert_allclose(np.linalg.eigvalsh(dense), eigenvalues, atol=1e-12)
    v = np.random.default_rng(1).standard_normal(40)
    np.testing.assert_allclose(A.rotate_back(A.rotate(v)), v, atol=1e-14)
    with pytest.raises(ArgumentError, match="rotation"):
        PrescribedSpectrum(eigenvalues, rotation="random")
