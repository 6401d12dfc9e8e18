"""Second derivatives that a rule of somebody's own loses: never a hyper-gradient that is wrong in silence."""

import numpy as np
import pytest

from lancbio_ref import hypergradient, minimize
from lancbio_ref.errors import ArgumentError

# -- PyTorch -------------------------------------------------------------------------------

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
torch_adapter = pytest.importorskip("lancbio_ref.adapters.torch")


class Detached(torch.autograd.Function):
    """y³, whose backward pass keeps a detached y."""

    @staticmethod
    def forward(ctx, y):
        ctx.kept = y.detach()
        return y**3

    @staticmethod
    def backward(ctx, up):
        return 3 * ctx.kept**2 * up


class Once(Detached):
    """y³, which says that it can be differentiated once; PyTorch does not always hold it to that."""

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, up):
        return 3 * ctx.kept**2 * up


class Saved(torch.autograd.Function):
    """y³ as it should be."""

    @staticmethod
    def forward(ctx, y):
        ctx.save_for_backward(y)
        return y**3

    @staticmethod
    def backward(ctx, up):
        return 3 * ctx.saved_tensors[0] ** 2 * up


class Halfway(torch.autograd.Function):
    """x y, right in y and detached in x: A and Jᵀ are right, J is not."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(y)
        ctx.kept = x.detach()
        return x * y

    @staticmethod
    def backward(ctx, up):
        return ctx.saved_tensors[0] * up, ctx.kept * up


def square(x, y):
    return ((y - 1) ** 2).sum()


TORCH = {
    "Detached": lambda x, y: (y**2).sum() + Detached.apply(y).sum() - (x * y).sum(),
    "Once": lambda x, y: (y**2).sum() + Once.apply(y).sum() - (x * y).sum(),
    "Halfway": lambda x, y: (y**2).sum() - Halfway.apply(x, y).sum(),
    "detach": lambda x, y: (y**2).sum() - (x * y.detach()).sum(),
    "data": lambda x, y: (y**2).sum() - (x.data * y).sum(),
}


def torch_problem(g, f=square, dtype=torch.float64, n=20, **options):
    return torch_adapter.problem(f, g, torch.linspace(1, 2, n, dtype=dtype), torch.ones(n, dtype=dtype), **options)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", TORCH)
def test_what_torch_loses_is_an_error_with_its_name(name, dtype):
    problem = torch_problem(TORCH[name], dtype=dtype)
    with pytest.raises(ArgumentError, match=rf"^g: .*{name}.*verify=False") as caught:
        hypergradient(problem, problem.x0, problem.y0, mu="estimate", rtol=1e-4)
    assert caught.value.argument == "g"
    with pytest.raises(ArgumentError, match=r"^g: "):  # no step is to blame
        minimize(problem, problem.x0, problem.y0, method="soba", maxiter=3)
    meant = torch_problem(TORCH[name], dtype=dtype, verify=False)
    assert np.isfinite(hypergradient(meant, meant.x0, meant.y0, mu="estimate", rtol=1e-4).value).all()


def test_an_own_rule_that_can_be_differentiated_again_is_no_error():
    def plain(x, y):
        return (y**2).sum() + (y**3).sum() - (x * y).sum()

    def own(x, y):
        return (y**2).sum() + Saved.apply(y).sum() - (x * y).sum()

    found = [hypergradient(p, p.x0, p.y0, mu="estimate").value for p in map(torch_problem, (plain, own))]
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_f_that_is_cut_is_an_error_too():
    problem = torch_problem(lambda x, y: ((y - x) ** 2).sum(), f=lambda x, y: ((y - 1) * y.detach()).sum())
    with pytest.raises(ArgumentError, match=r"^f: .*gradient.*detach"):
        hypergradient(problem, problem.x0, mu="estimate")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("seed", range(3))
def test_kinks_are_not_taken_for_lost_derivatives(seed, dtype):
    """A network of ReLUs has thousands of kinks within a difference in float32; Watch sees that a maximum is cut."""
    rng = torch.Generator().manual_seed(seed)
    X = torch.randn(300, 8, generator=rng, dtype=dtype)
    W = torch.randn(8, 30, generator=rng, dtype=dtype) / 3

    def g(x, y):
        scores = torch.relu(X @ y["W"]) @ y["w"]
        scores = scores - scores.detach().max() * 0  # a cut that changes nothing
        return (torch.nn.functional.softplus(-scores)).mean() + 0.5 * x.exp() * sum((z**2).sum() for z in y.values())

    y0 = {"W": W, "w": torch.randn(30, generator=rng, dtype=dtype)}
    problem = torch_adapter.problem(lambda x, y: (y["w"] ** 2).sum(), g, torch.zeros((), dtype=dtype), y0)
    assert problem.findings
    problem.hessian(problem.x0, problem.y0) @ problem.y0


def test_what_zero_hides_is_found_beside_it():
    """At y = 0 the second derivative of y³ is zero, and so nothing is lost."""
    problem = torch_problem(TORCH["Detached"])
    with pytest.raises(ArgumentError, match="Detached"):
        problem.hessian(problem.x0, 0 * problem.y0) @ problem.y0


def test_later_points_are_looked_at_again():
    """The second, the fourth, the eighth: what only matters far from the first is found."""
    problem = torch_problem(lambda x, y: TORCH["Detached"](x, torch.where(y > 10, y, 0 * y)) + (y**2).sum())
    for k in range(7):
        problem.hessian(problem.x0 + k, problem.y0) @ problem.y0
    with pytest.raises(ArgumentError, match="Detached"):
        problem.hessian(problem.x0, problem.y0 + 20) @ problem.y0


def test_where_nothing_is_own_or_cut_nothing_is_evaluated():
    evaluated = []

    def g(x, y):
        evaluated.append(1)
        return (y**2).sum() - (x * y).sum()

    counts = []
    for verify in (True, False):
        problem = torch_problem(g, verify=verify)
        evaluated.clear()
        hypergradient(problem, problem.x0, problem.y0, mu="estimate")
        counts.append(len(evaluated))
    assert counts[0] == counts[1]


def test_the_implicit_function_looks_too():
    x = torch.linspace(1, 2, 5, dtype=torch.float64).requires_grad_()
    for verify in (True, False):
        y_star = torch_adapter.implicit(TORCH["Once"], lambda x: torch.ones_like(x), verify=verify)
        if verify:
            with pytest.raises(ArgumentError, match=r"^g: .*Once"):
                (y_star(x) ** 2).sum().backward()
        else:
            (y_star(x) ** 2).sum().backward()


def test_a_check_names_the_rule():
    problem = torch_problem(TORCH["Detached"])
    (row,) = [row for row in problem.check(problem.x0, problem.y0, rng=0).failed if row.name == "A v"]
    assert "it has the rule Detached" in row.note
