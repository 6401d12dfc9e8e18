"""Every operator of the package is all that SciPy calls a LinearOperator: each route against the dense matrix."""

import copy
import importlib
import pickle
import pkgutil
import warnings
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
import scipy
import scipy.sparse as sp
import scipy.sparse.linalg as spl

import lancbio_ref
from lancbio_ref import BilevelProblem, LowerLevel, UpperLevel
from lancbio_ref.adapters.implicit import SymmetricProduct
from lancbio_ref.adapters.problem import DerivedOperator
from lancbio_ref.krylov.scaling import ScaledOperator
from lancbio_ref.minibatch import BatchedOperator
from lancbio_ref.operators import (
    BlockDiagonal,
    CheckedOperator,
    DenseOperator,
    DiagonalLowRank,
    GeneralizedLinear,
    GroupedRows,
    MultinomialCross,
    MultinomialHessian,
    PrescribedSpectrum,
    ScatteredRows,
    SideBySide,
    SparseOperator,
    StackedRows,
    StructuredOperator,
    as_operator,
    structure_of,
)
from lancbio_ref.operators.offset import OffsetGram, OffsetOperator
from lancbio_ref.operators.stacked import LessOuterProduct
from lancbio_ref.operators.vectors import VectorOperator
from lancbio_ref.problems import generalized_linear
from lancbio_ref.problems.weight_cross import WeightCross
from tests.thorough import sampled

# np.matrix is part of the contract for as long as SciPy takes it
pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")

SCIPY = tuple(map(int, scipy.__version__.split(".")[:2]))
RNG = np.random.default_rng(0)
TALL, SQUARE, ONE = RNG.standard_normal((5, 3)), RNG.standard_normal((4, 4)), np.array([[2.5]])
COMPLEX = TALL + 1j * RNG.standard_normal((5, 3))
THINNED = np.where(np.abs(TALL) > 0.6, TALL, 0)
P = RNG.dirichlet(np.ones(2), size=5)
W, D = RNG.uniform(0.5, 1, 5), RNG.standard_normal(5)
SPD = SQUARE @ SQUARE.T + np.eye(4)


def multinomial_hessian():
    curvature = [np.diag(p) - np.outer(p, p) for p in P]
    data = sum(w * np.kron(C, np.outer(x, x)) for w, C, x in zip(W, curvature, TALL, strict=True))
    return MultinomialHessian(TALL, P, W, 0.25), data + 0.25 * np.eye(6)


def multinomial_cross():
    return MultinomialCross(TALL, P - 0.5, D), D[:, None] * np.einsum("ic,ij->icj", P - 0.5, TALL).reshape(5, 6)


def weight_cross(axis):
    blocks = {0: [np.arange(j, 15, 3) for j in range(3)], 1: np.arange(15).reshape(5, 3), None: [np.arange(15)]}[axis]
    dense = np.zeros((len(blocks), 15))
    for row, block in zip(dense, blocks, strict=True):
        row[block] = TALL.ravel()[block]
    return WeightCross(TALL, axis), dense


def prescribed(rotation):
    operator = PrescribedSpectrum([1.0, 2.0, 4.0, 8.0], rng=1, rotation=rotation)
    Q = np.stack([operator.rotate(e) for e in np.eye(4)], axis=1)
    return operator, Q * operator.eigenvalues @ Q.T


def black_box(A):
    """`A` behind buffers, where every product is written: nothing but SciPy's callables."""
    buffers = {}

    def product(matrix, v):
        out = buffers.setdefault((matrix.shape, v.dtype), np.empty(len(matrix), np.result_type(matrix, v)))
        out[:] = matrix @ v
        return out

    return spl.LinearOperator(A.shape, lambda v: product(A, v), lambda u: product(A.conj().T, u), dtype=A.dtype)


def in_blocks(classes, name, **more):
    """A or J of samples in two blocks, as their problem has them, and the matrix in memory."""
    targets = np.arange(5) % 3 if classes else D
    options = dict(loss="multinomial", n_classes=3) if classes else dict(loss="squared")
    options |= dict(validation=(TALL, targets), weights="sigmoid", penalty="none", fixed=0.5) | more
    x, y = D, np.linspace(-1, 1, (3 + bool(more)) * (3 if classes else 1))
    problem, whole = (generalized_linear(TALL, targets, **options, **rows) for rows in (dict(block_rows=3), {}))
    return structure_of(getattr(problem, name)(x, y)), structure_of(getattr(whole, name)(x, y)).toarray()


def of_folds(name):
    """A or J of three folds of samples in two blocks, as their problem has it, and that of samples in memory."""
    folds = [([0, 1, 2], [3, 4]), ([2, 3, 4], [0, 1]), ([0, 1, 3, 4], [2])]
    options = dict(loss="squared", weights="sigmoid", penalty="none", fixed=0.5)
    options |= dict(folds=[(np.array(a), np.array(b)) for a, b in folds])
    problem, whole = (generalized_linear(TALL, D, **options, **more) for more in (dict(block_rows=3), {}))
    x, y = D, np.linspace(-1, 1, 9)
    return structure_of(getattr(problem, name)(x, y)), structure_of(getattr(whole, name)(x, y)).toarray()


class Reversed(StructuredOperator):
    """One that a user wrote, whose products are lists."""

    def __init__(self, n):
        super().__init__(np.float64, (n, n))

    def _matvec(self, v):
        return list(v[::-1])

    _rmatvec = _matvec


def of_problem(name):
    """The Hessian or the mixed derivative of a problem, as a user gets it."""
    problem = BilevelProblem(
        UpperLevel(lambda x, y: 0.0, lambda x, y: 0 * x, lambda x, y: y),
        LowerLevel(lambda x, y: SQUARE @ y, lambda x, y: SQUARE, lambda x, y: SQUARE[:3]),
    )
    operator = getattr(problem, name)(np.zeros(3), np.ones(4))
    return operator, SQUARE if name == "hessian" else SQUARE[:3]


OPERATORS = {
    "blocks, A": lambda: in_blocks(False, "hessian"),
    "blocks, J": lambda: in_blocks(False, "cross"),
    "blocks, A of classes": lambda: in_blocks(True, "hessian"),
    "blocks, J of classes": lambda: in_blocks(True, "cross"),
    "blocks, A with ones": lambda: in_blocks(False, "hessian", intercept=True),
    "blocks, J with ones": lambda: in_blocks(False, "cross", intercept=True),
    "blocks, A of classes with ones": lambda: in_blocks(True, "hessian", intercept=True),
    "blocks, J of classes with ones": lambda: in_blocks(True, "cross", intercept=True),
    "blocks, A of folds": lambda: of_folds("hessian"),
    "blocks, J of folds": lambda: of_folds("cross"),
    "dense with ones": lambda: (OffsetOperator(DenseOperator(TALL), np.eye(4)[3]), np.c_[TALL, np.ones(5)]),
    "dense, shifted": lambda: (OffsetOperator(DenseOperator(TALL), D[:3]), TALL + D[:3]),
    "Gram with ones": lambda: (
        OffsetGram(OffsetOperator(DenseOperator(TALL), np.eye(4)[3]), W),
        np.c_[TALL, np.ones(5)].T * W @ np.c_[TALL, np.ones(5)],
    ),
    "dense": lambda: (DenseOperator(TALL), TALL),
    "dense, Fortran": lambda: (DenseOperator(np.asfortranarray(TALL)), TALL),
    "dense, square": lambda: (DenseOperator(SQUARE), SQUARE),
    "dense, complex": lambda: (DenseOperator(COMPLEX), COMPLEX),
    "dense, 1 x 1": lambda: (DenseOperator(ONE), ONE),
    "dense, one row": lambda: (DenseOperator(TALL[:1]), TALL[:1]),
    "dense, one column": lambda: (DenseOperator(TALL[:, :1]), TALL[:, :1]),
    "sparse": lambda: (SparseOperator(sp.csr_array(THINNED)), THINNED),
    "sparse, complex": lambda: (SparseOperator(sp.csr_array(COMPLEX)), COMPLEX),
    "diagonal": lambda: (DiagonalLowRank(D), np.diag(D)),
    "low rank": lambda: (DiagonalLowRank(D, TALL, W[:3], TALL[::-1]), np.diag(D) + TALL * W[:3] @ TALL[::-1].T),
    "low rank, base": lambda: (
        DiagonalLowRank(D[:4], SQUARE[:, :2], base=SQUARE),
        np.diag(D[:4]) + SQUARE[:, :2] @ SQUARE[:, :2].T + SQUARE,
    ),
    "generalized linear": lambda: (GeneralizedLinear(TALL, W, 0.5), TALL.T * W @ TALL + 0.5 * np.eye(3)),
    "generalized linear, sparse": lambda: (
        GeneralizedLinear(sp.csr_array(THINNED), W, W[:3]),
        THINNED.T * W @ THINNED + np.diag(W[:3]),
    ),
    "multinomial": multinomial_hessian,
    "multinomial, cross": multinomial_cross,
    "scattered": lambda: (
        ScatteredRows(DenseOperator(TALL[:2]), np.array([1, 3]), 4),
        np.insert(TALL[:2], [0, 1], 0, 0),
    ),
    "weights of columns": lambda: weight_cross(0),
    "weights of rows": lambda: weight_cross(1),
    "one weight": lambda: weight_cross(None),
    "groups": lambda: (
        GroupedRows(D, [1, 0, -1, 1, 0], 3),
        np.array([[0, 1, 0, 0, 1], [1, 0, 0, 1, 0], [0] * 5]) * D,
    ),
    "above each other": lambda: (
        StackedRows([DenseOperator(TALL), DenseOperator(TALL[:2])]),
        np.vstack([TALL, TALL[:2]]),
    ),
    "side by side": lambda: (SideBySide([DenseOperator(TALL), DenseOperator(TALL)]), np.hstack([TALL, TALL])),
    "less an outer product": lambda: (LessOuterProduct(DenseOperator(TALL), D, W[:3]), TALL - np.outer(D, W[:3])),
    "blocks": lambda: (BlockDiagonal([SQUARE, ONE]), np.block([[SQUARE, np.zeros((4, 1))], [np.zeros((1, 4)), ONE]])),
    "spectrum, cosine": lambda: prescribed("cosine"),
    "spectrum, householder": lambda: prescribed("householder"),
    "scaled": lambda: (ScaledOperator(DenseOperator(SQUARE), 3), SQUARE / 8),
    "scaled, complex": lambda: (ScaledOperator(DenseOperator(COMPLEX[:3]), -3), COMPLEX[:3] * 8),
    "batched": lambda: (BatchedOperator(lambda: DenseOperator(TALL), np.float64, (5, 3)), TALL),
    "batched, black box": lambda: (BatchedOperator(lambda: black_box(TALL), np.float64, (5, 3)), TALL),
    "derived": lambda: (
        DerivedOperator((5, 3), *(np.dtype(float),) * 2, *(partial(partial, np.dot, A) for A in (TALL, TALL.T))),
        TALL,
    ),
    "implicit": lambda: (SymmetricProduct(partial(np.dot, SPD), 4, np.dtype(float)), SPD),
    "checked": lambda: (CheckedOperator(DenseOperator(TALL), "A"), TALL),
    "checked, complex": lambda: (CheckedOperator(DenseOperator(COMPLEX), "A"), COMPLEX),
    "checked, 1 x 1": lambda: (CheckedOperator(DenseOperator(ONE), "A"), ONE),
    "checked, black box": lambda: (CheckedOperator(black_box(TALL), "A"), TALL),
    "checked, SciPy's": lambda: (CheckedOperator(spl.aslinearoperator(SQUARE), "A"), SQUARE),
    "checked twice": lambda: (CheckedOperator(CheckedOperator(DenseOperator(TALL), "A"), "B"), TALL),
    "checked, batched": lambda: (
        CheckedOperator(BatchedOperator(lambda: DenseOperator(TALL), np.float64, (5, 3)), "A"),
        TALL,
    ),
    "checked, sparse": lambda: (CheckedOperator(as_operator("A", sp.csr_array(SQUARE)), "A"), SQUARE),
    "hessian": lambda: of_problem("hessian"),
    "cross": lambda: of_problem("cross"),
    "a user's": lambda: (Reversed(4), np.eye(4)[::-1]),
}
every_operator = pytest.mark.parametrize("make", OPERATORS.values(), ids=OPERATORS)
ALIKE = [name for name in OPERATORS if name.startswith("blocks, ")]  # SciPy makes the same of each
DERIVED = {name: make for name, make in OPERATORS.items() if name not in ALIKE or name in sampled(ALIKE, 5)}
every_kind = pytest.mark.parametrize("make", DERIVED.values(), ids=DERIVED)


def close(found, expected):
    assert type(found) in (np.ndarray, np.matrix) and found.shape == expected.shape
    scale = np.abs(np.asarray(expected)).max(initial=1.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * scale)


def numbers(*shape, kind="d", seed=3):
    values = np.random.default_rng(seed).standard_normal((2, *shape))
    return {"d": values[0], "D": values[0] + 1j * values[1], "i": (8 * values[0]).astype(int)}[kind]


def same_operator(operator, dense, vectors="id"):
    """`operator` is `dense` by each of the products that every LinearOperator has."""
    m, n = dense.shape
    assert operator.shape == (m, n) and isinstance(operator, spl.LinearOperator)
    assert spl.aslinearoperator(operator) is operator
    for kind in vectors:
        v, u = numbers(n, kind=kind), numbers(m, kind=kind)
        for product in (operator.matvec, operator.dot, operator.__matmul__, operator.__mul__, operator.__call__):
            close(product(v), dense @ v)
        close(operator @ list(v), dense @ v)
        close(operator @ numbers(2 * n, kind=kind)[::2], dense @ numbers(2 * n, kind=kind)[::2])
        close(operator.rmatvec(u), dense.conj().T @ u)
        close(u @ operator, u @ dense)
        for k in {0, 1, 2, 3, m, n}:
            V, U = numbers(n, k, kind=kind), numbers(m, k, kind=kind)
            if k or isinstance(operator, VectorOperator):  # SciPy's own sums stumble over no columns at all
                for product in (operator.matmat, operator.dot, operator.__matmul__, operator.__mul__):
                    close(product(V), dense @ V)
                close(operator @ np.asfortranarray(V), dense @ V)
                close(operator.rmatmat(U), dense.conj().T @ U)
                close(U.T @ operator, U.T @ dense)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Calling `r?matvec` on 'column vectors'", FutureWarning)
            close(operator.matvec(v[:, None]), dense @ v[:, None])
            close(operator.rmatvec(u[:, None]), dense.conj().T @ u[:, None])
            if not isinstance(operator, VectorOperator):
                continue  # SciPy 1.18's own sums and products do not take np.matrix
            close(operator.matvec(np.asmatrix(v).T), np.asmatrix(dense @ v[:, None]))
            close(operator.rmatvec(np.asmatrix(u).T), np.asmatrix(dense.conj().T @ u[:, None]))


@every_operator
def test_products(make):
    same_operator(*make(), vectors="idD")


@every_kind
def test_adjoint_and_transpose(make):
    operator, dense = make()
    for adjoint in (operator.H, operator.adjoint()):
        same_operator(adjoint, dense.conj().T, vectors="D")
    for transposed in (operator.T, operator.transpose()):
        same_operator(transposed, dense.T, vectors="D")
    same_operator(operator.H.H, dense)
    same_operator(operator.T.H, dense.conj())


@every_kind
def test_sums_multiples_and_powers(make):
    operator, dense = make()
    for made, expected in [
        (operator + operator, 2 * dense),
        (operator - 3 * operator, -2 * dense),
        (-operator, -dense),
        (2 * operator, 2 * dense),
        (operator * 0.5, 0.5 * dense),
        (2j * operator, 2j * dense),
        (operator.H @ operator, dense.conj().T @ dense),
        (operator * operator.H, dense @ dense.conj().T),
        (spl.aslinearoperator(dense) + operator, 2 * dense),
        (operator @ spl.aslinearoperator(dense.T), dense @ dense.T),
    ]:
        same_operator(made, expected, vectors="d")
    if dense.shape[0] == dense.shape[1]:
        same_operator(operator**0, np.eye(len(dense)), vectors="d")
        same_operator(operator**3, dense @ dense @ dense, vectors="d")


@every_kind
def test_type_name_and_copies(make):
    operator, dense = make()
    m, n = dense.shape
    assert operator.dtype == dense.dtype and operator.ndim == 2 and operator.shape == (m, n)
    assert repr(operator) == f"<{m}x{n} {type(operator).__name__} with dtype={dense.dtype}>"
    same_operator(copy.copy(operator), dense)
    if not isinstance(operator, BatchedOperator) and "lambda" not in _callables(operator):
        same_operator(pickle.loads(pickle.dumps(operator)), dense)


def _callables(operator):
    """``lambda`` where a function without a name lies within, which cannot be pickled."""
    inner = getattr(operator, "inner", None)
    of_scipy = type(inner).__name__ == "_CustomLinearOperator"
    return "lambda" if of_scipy or isinstance(inner, BatchedOperator) else ""


@every_operator
def test_what_does_not_fit_is_a_value_error_on_every_route(make):
    operator, dense = make()
    m, n = dense.shape
    for made, rows, columns in ((operator, m, n), (operator.T, n, m), (operator.H, n, m), (operator + operator, m, n)):
        for length in {0, 1, m - 1, m, m + 1, n - 1, n, n + 1, 2 * n}:
            v = np.ones(length)
            for size, products in (
                (columns, (made.matvec, made.dot, made.__matmul__, made.__call__)),
                (rows, (made.rmatvec, lambda u, made=made: u @ made)),
            ):
                if length == size:
                    continue
                for product in products:
                    with pytest.raises(ValueError):
                        product(v)
                if length != 1:  # else a row of shape (1, 1), which is a column too
                    with pytest.raises(ValueError):
                        products[0](np.asmatrix(v).T if size != 1 else np.ones((length, 2)))
            if length != columns:
                for product in (made.matmat, made.dot, made.__matmul__):
                    with pytest.raises(ValueError):
                        product(np.ones((length, 2)))
            if length != rows:
                with pytest.raises(ValueError):
                    made.rmatmat(np.ones((length, 2)))
        for product in (made.matvec, made.rmatvec, made.matmat, made.rmatmat):
            with pytest.raises(ValueError):
                product(1.0)
        with pytest.raises(ValueError, match="Scalar"):
            made @ 2.0


@every_operator
def test_batches_of_rows_are_refused_or_right(make):
    """SciPy takes them since 1.18; a product written for vectors would make something else of n rows of length n."""
    operator, dense = make()
    m, n = dense.shape
    for lead in ((n,), (m,), (2,), (2, 3)):
        for made, matrix in ((operator, dense), (operator.T, dense.T), (operator.H, dense.conj().T)):
            V = numbers(*lead, matrix.shape[1])
            if V.shape in ((1, 1), (matrix.shape[1], 1)):  # a column to SciPy
                continue
            try:
                found = made.matvec(V)
            except ValueError:
                assert SCIPY < (1, 18)
            else:
                close(found, V @ matrix.T)


@every_operator
def test_sparse_operands_are_refused_with_scipys_advice(make):
    operator, dense = make()
    if dense.shape[1] == 1:
        pytest.skip("one column is a vector to SciPy")
    with pytest.raises(TypeError, match="aslinearoperator"):
        operator @ sp.eye_array(dense.shape[1])


def test_every_operator_of_the_package_is_in_this_sweep():
    for module in pkgutil.walk_packages(lancbio_ref.__path__, "lancbio_ref."):
        if not module.name.endswith("__main__"):
            with suppress(ImportError):  # an extra that is not here; test_modules.py says which may be
                importlib.import_module(module.name)
    seen, to_see = set(), [spl.LinearOperator]
    while to_see:
        to_see += (subclasses := to_see.pop().__subclasses__())
        seen.update(cls for cls in subclasses if cls.__module__.startswith("lancbio_ref."))
    tested = {type(make()[0]) for make in OPERATORS.values()}
    assert seen - {VectorOperator, StructuredOperator} <= tested
    assert all(issubclass(cls, VectorOperator) for cls in seen)
