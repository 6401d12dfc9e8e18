"""What single methods do beside their formulas: where conjugate gradients end, what is drawn, what is projected."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from lancbio_ref import ArgumentError, BilevelProblem, LowerLevel, StepStatus, UpperLevel, minimize, problems
from lancbio_ref.methods import BSA, STABLE, TTSA, AmIGOCG, StocBiO, SubBiO
from lancbio_ref.methods.stable import lower_singular_values, raise_eigenvalues
from lancbio_ref.methods.subbio import _is_definite
from lancbio_ref.operators import DenseOperator
from tests.methods.test_baselines import BY_NAME, synthetic


def constant_problem(A, b):
    A, b = np.asarray(A, dtype=float), np.asarray(b, dtype=float)
    J = np.eye(b.size)
    return BilevelProblem(
        UpperLevel(lambda x, y: float(b @ y), lambda x, y: 0 * x, lambda x, y: b),
        LowerLevel(lambda x, y: A @ y, lambda x, y: A, lambda x, y: J),
    )


def one_step(method, problem, n, v0=None):
    zero = np.zeros(n)
    return method.step(problem, method.init(problem, zero, zero, zero if v0 is None else v0, np.random.default_rng(0)))


def test_conjugate_gradients_end_at_the_solution():
    state = one_step(AmIGOCG(0.1, 0.1, inverse_steps=50), constant_problem(np.diag([1.0, 2, 4]), [1, 1, 1]), 3)
    np.testing.assert_allclose(state.v, [1, 0.5, 0.25], rtol=1e-14)
    assert state.n_hvp <= 6 and state.gamma.size == state.delta.size == state.n_hvp - 1


def test_conjugate_gradients_at_an_exact_warm_start_make_one_product():
    state = one_step(AmIGOCG(0.1, 0.1), constant_problem(np.diag([2.0, 4]), [2, 4]), 2, v0=np.ones(2))
    np.testing.assert_array_equal(state.v, [1, 1])
    assert state.n_hvp == 1 and not state.dv.any()


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_conjugate_gradients_at_extreme_scales(size):
    state = one_step(AmIGOCG(0.1, 0.1), constant_problem(np.diag([1.0, 2, 4]), np.full(3, size)), 3)
    np.testing.assert_allclose(state.v / size, [1, 0.5, 0.25], rtol=1e-14)


def test_conjugate_gradients_report_negative_curvature_and_keep_what_they_have():
    state = one_step(AmIGOCG(0.1, 0.1), constant_problem(np.diag([1.0, -2]), [1, 3]), 2, v0=np.array([0.5, 0.5]))
    np.testing.assert_array_equal(state.v, [0.5, 0.5])
    assert state.status == StepStatus.NEGATIVE_CURVATURE and state.status.remedy and state.n_hvp == 2


class Batched(DenseOperator):
    """An operator that hands out a fixed one and counts how often it is asked, as a mini-batched one does."""

    def __init__(self, A):
        super().__init__(A)
        self.asked = 0

    def one_batch(self):
        self.asked += 1
        return DenseOperator(self.A)

    def _matvec(self, v):
        raise AssertionError("a product outside the one batch")


def test_one_batch_serves_a_whole_conjugate_gradient_solve():
    A = Batched(np.diag([1.0, 2, 4]))
    problem = BilevelProblem(
        UpperLevel(lambda x, y: 0.0, lambda x, y: 0 * x, lambda x, y: np.ones(3)),
        LowerLevel(lambda x, y: A.A @ y, lambda x, y: A, lambda x, y: np.eye(3)),
    )
    state = one_step(AmIGOCG(0.1, 0.1), problem, 3)
    np.testing.assert_allclose(state.v, [1, 0.5, 0.25], rtol=1e-13)
    assert A.asked == 1


#: mini-batches of an iteration after the first, by quantity; p of each random power is added for BSA and TTSA
BATCHES = {
    "amigo-gd": {"lower.grad_y": 3, "lower.hessian": 4, "lower.cross": 1},
    "amigo-cg": {"lower.grad_y": 3, "lower.hessian": 1, "lower.cross": 1},
    "soba": {"lower.grad_y": 1, "lower.hessian": 1, "lower.cross": 1},
    "stocbio": {"lower.grad_y": 3, "lower.hessian": 6, "lower.cross": 1},
    "bsa": {"lower.grad_y": 3, "lower.cross": 1},
    "ttsa": {"lower.grad_y": 1, "lower.cross": 1},
    "stable": {"lower.grad_y": 1, "lower.hessian": 1, "lower.cross": 1},
    "f2sa": {"lower.grad_y": 6, "lower.grad_x": 2, "upper.grad_y": 3, "upper.grad_x": 1},
    "hjfbio": {"lower.grad_y": 1, "lower.hessian": 1, "lower.cross": 1},
}


@pytest.mark.parametrize("name", BY_NAME)
def test_batches_are_drawn_as_often_as_the_formula_says(name):
    cls, _, options, _ = BY_NAME[name]
    problem = problems.random_ridge(40, 30, 4, rng=0)
    one = np.ones(4)
    extra = ("p",) if name in ("bsa", "ttsa") else ()
    start = dict(v0=one, method=cls(**options), maxiter=2, batch_size=20, rng=0, trace=extra)
    result = minimize(problem, 0 * one, one, **start)
    drawn = Counter(draw.quantity for draw in result.batches if draw.k == 2)
    expected = {"upper.grad_y": 1, "upper.grad_x": 1} | BATCHES[name]
    if extra:
        expected["lower.hessian"] = int(result.trace["p"][1])  # a batch a factor
        assert expected["lower.hessian"] > 1
    assert {key: count for key, count in drawn.items() if count} == {key: n for key, n in expected.items() if n}
    whole = [
        minimize(problem, 0 * one, one, v0=one, method=cls(**options), maxiter=5, rng=0, **batch).x
        for batch in ({}, {"batch_size": (30, 40)})
    ]
    np.testing.assert_array_equal(*whole)  # all samples are the deterministic method, to the bit


def test_projections_are_the_nearest_matrices():
    H = np.array([[3.0, 0], [0, -1]])
    values, _, raised = raise_eigenvalues(H, 0.5)
    np.testing.assert_allclose(raised, np.diag([3, 0.5]), atol=1e-15)
    assert values.tolist() == [0.5, 3]
    assert raise_eigenvalues(np.eye(2), 0.5)[2].tolist() == [[1, 0], [0, 1]]
    np.testing.assert_allclose(lower_singular_values(np.array([[0, -4.0], [1, 0]]), 2.0), [[0, -2], [1, 0]], atol=1e-15)
    inside = np.ones((2, 3))
    assert lower_singular_values(inside, 2.5) is inside


def test_one_neumann_term_stands_for_the_series():
    """Over the Q equally likely powers, the mean of BSA's v is stocBiO's, with the same number of terms."""

    class Chosen(np.random.Generator):
        def __init__(self, p):
            super().__init__(np.random.PCG64(0))
            self.p = p

        def integers(self, *args, **kwargs):
            return self.p

    problem, _, (x, y, v, _) = synthetic()
    Q = 6
    for cls, extra in ((BSA, {}), (TTSA, dict(decay_x=0.0, decay_y=0.0))):
        method = cls(0.1, 0.03, 0.04, inverse_steps=Q, **extra)
        each = [method.step(problem, method.init(problem, x, y, v, Chosen(p))).v for p in range(Q)]
        series = StocBiO(0.1, 0.03, 0.04, inverse_steps=Q - 1)
        expected = series.step(problem, series.init(problem, x, y, v, np.random.default_rng(0))).v
        np.testing.assert_allclose(np.mean(each, axis=0), expected, rtol=1e-12)


def test_powers_are_uniform():
    """10⁴ draws in Q = 5 cells; χ² with 4 degrees of freedom exceeds 23.5 with probability 1e-4."""
    problem = constant_problem(np.eye(2), [1, 0])
    method = BSA(0.1, 0.1, 0.1, inverse_steps=5)
    state = method.init(problem, np.zeros(2), np.zeros(2), np.zeros(2), np.random.default_rng(0))
    counts = np.zeros(5)
    for _ in range(10_000):
        state = method.step(problem, state)
        counts[state.p] += 1
    assert np.sum((counts - 2000) ** 2 / 2000) < 23.5


def test_the_seed_decides_the_powers():
    problem, _, (x, y, v, _) = synthetic()
    method = TTSA(0.05, 0.03, 0.04)
    runs = [minimize(problem, x, y, v0=v, method=method, maxiter=20, rng=r, trace=("p",)).trace["p"] for r in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()


def test_stable_takes_the_problems_own_bounds():
    """Its μ and ‖J‖ are proven, so that no projection acts, and the estimates are the derivatives whatever τ is."""
    problem, theirs, (x, y, v, _) = synthetic()
    method = STABLE(0.05, 0.03, momentum=0.2)
    state = method.init(problem, x, y, v, np.random.default_rng(0))
    for _ in range(5):
        state = method.step(problem, state)
    np.testing.assert_allclose(state.H_yy, theirs.A(state.x, state.y), atol=1e-13 * 20)
    np.testing.assert_allclose(state.H_xy, theirs.J(state.x, state.y), atol=1e-14 * 20)
    with pytest.raises(ArgumentError) as caught:
        one_step(STABLE(0.1, 0.1), constant_problem(np.eye(2), [1, 0]), 2)
    assert caught.value.argument == "mu"


@pytest.mark.parametrize("name", ["f2sa", "hjfbio"])
def test_a_lower_level_without_grad_x_is_refused(name):
    with pytest.raises(ArgumentError) as caught:
        one_step(BY_NAME[name][0](**BY_NAME[name][2]), constant_problem(np.eye(2), [1, 0]), 2)
    assert caught.value.argument == "LowerLevel.grad_x"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_subbio_asks_lapack_unless_a_matrix_is_plainly_definite(dtype):
    """Eigenvalues of one sign and of both, near together and far apart, at every scale; judged in rationals."""
    rng, said = np.random.default_rng(2), Counter()
    for _ in range(3000):
        low, high, scale = (
            rng.choice([-1, 1]) * 10.0 ** rng.uniform(-12, 0),
            10.0 ** rng.uniform(-1, 0),
            10.0 ** rng.uniform(-30, 30),
        )
        c, s = np.cos(angle := rng.uniform(0, np.pi)), np.sin(angle)
        G = (scale * np.array([[c, -s], [s, c]]) @ np.diag([low, high]) @ np.array([[c, s], [-s, c]])).astype(dtype)
        G = (G + G.T) / 2
        a, b, d = (Fraction(float(G[place])) for place in ((0, 0), (0, 1), (1, 1)))
        definite = a > 0 and a * d > b * b
        if found := _is_definite(G):
            assert definite and np.linalg.eigvalsh(G)[0] > 0
        said[definite, found] += 1
    assert said[True, True] > 500  # it is not in vain


def test_the_signs_of_a_projection_are_in_the_status():
    """A = diag(2, −1) on span{b, A b}: its first entry is positive, its determinant is not."""
    state = one_step(
        SubBiO(step_x=0.1, step_y=0.1, step_v=0.1),
        constant_problem(np.diag([2.0, -1.0]), [1.0, 0.1]),
        2,
        v0=np.array([0.0, 1.0]),
    )
    assert state.projected[0, 0] > 0 and state.status == StepStatus.INDEFINITE
