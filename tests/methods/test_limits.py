"""Where each baseline ends: at the stationary point of φ, or at its own biased limit, computed by dense formulas.

Both problems are quadratic in y, so that y*(x), and the minimizer of f + σg, are one linear solve; the limits are roots
in x. On the ridge problem J is diagonal and invertible, so that h = 0 means v = 0, and P(A)b = 0 means b = 0, as
A⁻¹b = 0 does: there every limit is the stationary point. The quadratic tells them apart.
"""

import numpy as np
import pytest
from scipy.optimize import root

from lancbio_ref import minimize, problems
from lancbio_ref.methods import BSA, F2SA, SOBA, STABLE, TTSA, AmIGOCG, AmIGOGD, HJFBiO, StocBiO
from tests.methods import dense
from tests.thorough import sampled


def quadratic():
    problem = problems.quadratic(3, 4, condition=5.0, rng=1)
    return problem, dense.Quadratic(problem), np.zeros(3), 0.3


def ridge():
    """Few training data and much noise: φ has a minimizer inside, x ≈ (−0.90, 0.01), with curvatures 0.04 and 0.13."""
    problem = problems.random_ridge(5, 40, 2, noise=2.0, rng=4)
    return problem, dense.Ridge(problem), np.array([-0.5, 0.2]), 1.0


PROBLEMS = {"quadratic": quadratic, "ridge": ridge}
EVERY = pytest.mark.parametrize("kind", PROBLEMS)


# -- the limits ------------------------------------------------------------------------------


def minimizer(P, x, sigma=None):
    """argmin_y g(x, y), or argmin_y f(x, y) + σg(x, y); both are quadratic in y."""
    zero = np.zeros(P.n_y)
    if sigma is None:
        return -np.linalg.solve(P.A(x, zero), P.gy(x, zero))
    F = np.stack([P.fy(x, e) - P.fy(x, zero) for e in np.eye(zero.size)], axis=1)
    return -np.linalg.solve(F + sigma * P.A(x, zero), P.fy(x, zero) + sigma * P.gy(x, zero))


def at_solution(P, inverse):
    """c − J P(A) b at (x, y*(x)), as a function of x."""

    def field(x):
        y = minimizer(P, x)
        return P.fx(x, y) - P.J(x, y) @ (inverse(P.A(x, y)) @ P.fy(x, y))

    return field


def penalized(P, sigma):
    """∇_x of min_y [f + σg] − σ min_z g."""

    def field(x):
        y, z = minimizer(P, x, sigma), minimizer(P, x)
        return P.fx(x, y) + sigma * (P.gx(x, y) - P.gx(x, z))

    return field


def zero_of(field, start):
    found = root(field, start, tol=1e-14)
    assert np.abs(found.fun).max() < 1e-12
    return found.x


def stationary(P, start):
    return zero_of(at_solution(P, np.linalg.inv), start)


# -- unbiased methods ------------------------------------------------------------------------

UNBIASED = [
    AmIGOCG(step_x=1.0, step_y=0.2, inner_steps=3, inverse_steps=2),
    AmIGOGD(step_x=1.0, step_y=0.2, step_v=0.2, inner_steps=3, inverse_steps=3),
    SOBA(step_x=1.0, step_y=0.2, step_v=0.2),
    STABLE(step_x=1.0, step_y=0.2, momentum=0.3),
    HJFBiO(step_x=1.0, step_y=0.2, step_v=0.2, radius=100.0),
]


def scaled(method, factor):
    """The same method with its step in x times `factor`: φ of each problem curves differently."""
    return type(method)(**{**vars(method), "step_x": method.step_x * factor})


def run(method, kind, **options):
    problem, P, x0, factor = PROBLEMS[kind]()
    one = np.ones(P.n_y)  # from v_0 = 0, or y_0 = 0 on ridge, h_1 would be 0
    result = minimize(problem, x0, one, v0=one, method=scaled(method, factor), rng=0, **options)
    return result, problem, P, x0


@EVERY
@pytest.mark.parametrize("method", UNBIASED, ids=lambda m: type(m).__name__)
def test_converges_to_the_stationary_point(method, kind):
    result, problem, P, x0 = run(method, kind, maxiter=1000)  # the slowest is at 1e-10 after 704
    truth = stationary(P, x0)
    if kind == "quadratic":
        np.testing.assert_allclose(truth, problem.stationary_point(), atol=1e-12)
    tolerance = 1e-8 if isinstance(method, HJFBiO) else 1e-10
    np.testing.assert_allclose(result.x, truth, atol=tolerance)
    assert np.abs(problem.hypergradient(result.x)).max() <= tolerance


# -- methods with a truncated series ---------------------------------------------------------


@pytest.mark.parametrize("kind", sampled(PROBLEMS, 2))
@pytest.mark.parametrize(
    "method, terms",
    [
        (StocBiO(1.0, 0.2, 0.1, inner_steps=3, inverse_steps=4), 5),
        (BSA(1.0, 0.2, 0.1, inner_steps=3, inverse_steps=1), 1),  # Q = 1 leaves nothing to chance
        (TTSA(1.0, 0.2, 0.1, decay_x=0.0, decay_y=0.0, inverse_steps=1), 1),
    ],
    ids=["stocbio", "bsa", "ttsa"],
)
def test_converges_to_the_limit_of_its_series(method, terms, kind):
    result, _, P, x0 = run(method, kind, maxiter=3000)
    limit = zero_of(at_solution(P, lambda A: dense.neumann(A, 0.1, terms)), x0)
    np.testing.assert_allclose(result.x, limit, atol=1e-10)
    distance = np.linalg.norm(limit - stationary(P, x0))
    assert distance > 0.1 if kind == "quadratic" else distance < 1e-10


def agree(samples, value):
    """Whether a mean can be `value`: 20 samples, each component within 7 standard errors.

    |t| > 7 with 19 degrees of freedom has probability 1e-6.
    """
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    return bool((np.abs(samples.mean(axis=0) - value) <= 7 * error).all())


def test_bsa_in_expectation():
    """Twenty runs, each averaged over its second half, on the quadratic, where E x_k has exactly this limit."""
    problem, P, x0, _ = quadratic()
    method = BSA(0.3, 0.2, 0.1, inner_steps=2, inverse_steps=5)
    means = []
    for seed in range(20):
        result = minimize(problem, x0, np.zeros(4), method=method, maxiter=400, rng=seed, trace=("x",))
        means.append(result.trace["x"][200:].mean(axis=0))
    assert agree(np.array(means), zero_of(at_solution(P, lambda A: dense.neumann(A, 0.1, 5)), x0))
    assert not agree(np.array(means), stationary(P, x0))


def test_ttsa_settles_at_its_biased_limit():
    problem, P, x0, _ = quadratic()
    method = TTSA(2.0, 0.4, 0.1, decay_x=0.5, inverse_steps=5)
    early, late = [], []
    for seed in range(20):
        result = minimize(problem, x0, np.zeros(4), method=method, maxiter=900, rng=seed, trace=("x",))
        early.append(result.trace["x"][60])
        late.append(result.x)
    assert agree(np.array(late), zero_of(at_solution(P, lambda A: dense.neumann(A, 0.1, 5)), x0))
    assert not agree(np.array(late), stationary(P, x0))
    assert np.std(late, axis=0).mean() < 0.7 * np.std(early, axis=0).mean()  # √(α_900/α_60) = 0.51


# -- the penalty method ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "sigma, kind", [(5.0, "quadratic"), *sampled([(50.0, "ridge"), (5.0, "ridge"), (50.0, "quadratic")], 3)]
)
def test_f2sa_at_a_fixed_penalty_converges_to_the_penalized_point(sigma, kind):
    method = F2SA(step_x=0.5, step_y=0.2 / sigma, step_z=0.2, inner_steps=10, penalty=sigma)
    result, _, P, x0 = run(method, kind, maxiter=1500)
    limit = zero_of(penalized(P, sigma), x0)
    np.testing.assert_allclose(result.x, limit, atol=1e-9)
    distance = np.linalg.norm(limit - stationary(P, x0))
    assert distance > 0.1 / sigma if kind == "quadratic" else distance < 1e-10


def test_the_bias_of_a_fixed_penalty_falls_as_its_inverse():
    _, P, x0, _ = quadratic()
    truth = stationary(P, x0)
    bias = [sigma * np.linalg.norm(zero_of(penalized(P, sigma), x0) - truth) for sigma in (1e2, 1e3)]
    assert bias[0] == pytest.approx(bias[1], rel=0.05)


def test_f2sa_with_a_growing_penalty_converges_at_the_rate_of_its_bias():
    """σ_k = k + 1 and α_kσ_k = 0.2: the error after K iterations is that of the penalized point of σ_K."""
    method = F2SA(3.0, 0.2, 0.2, inner_steps=40, penalty=2.0, penalty_growth=1.0, decay_y=1.0)
    errors = []
    for K in (200, 800):
        result, _, P, x0 = run(method, "quadratic", maxiter=K, trace=("sigma",))
        assert result.trace["sigma"][-1] == K + 1
        truth = stationary(P, x0)
        errors.append(np.linalg.norm(result.x - truth))
        assert errors[-1] == pytest.approx(np.linalg.norm(zero_of(penalized(P, K + 1.0), x0) - truth), rel=0.1)
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
