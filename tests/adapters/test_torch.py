"""PyTorch functions as problems: derivatives of the closed form, modules, types, what is wrong with a function."""

import pickle

import numpy as np
import pytest

from lancbio_ref import SolveStatus, hypergradient, lower_solution, minimize
from lancbio_ref.errors import ArgumentError, CallableError, EvaluationError
from lancbio_ref.oracle import diagnose
from tests.adapters.closed_form import P, data, derivatives

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
adapter = pytest.importorskip("lancbio_ref.adapters.torch")
softplus = torch.nn.functional.softplus


def f(x, y, X, t, more, other):
    return softplus(-other * (more @ y["w"] + y["b"])).mean()


def g(x, y, X, t, more, other):
    loss = softplus(-t * (X @ y["w"] + y["b"])).mean()
    return loss + 0.5 * (x[0].exp() * y["w"] ** 2).sum() + 0.5 * x[1]["s"].exp() * y["b"] ** 2


def arrays(dtype=torch.float64):
    return tuple(torch.from_numpy(array).to(dtype) for array in data())


def start(dtype=torch.float64):
    x0 = (torch.full((P,), -2.0, dtype=dtype), {"s": torch.tensor(-3.0, dtype=dtype)})
    return x0, {"w": torch.zeros(P, dtype=dtype), "b": torch.tensor(0.0, dtype=dtype)}


def logistic(dtype=torch.float64, **options):
    return adapter.problem(f, g, *start(dtype), args=arrays(dtype), **options)


def test_every_derivative_is_that_of_the_closed_form():
    problem, rng = logistic(), np.random.default_rng(0)
    x, y, v, u = rng.standard_normal((4, P + 1))
    J, wanted = problem.cross(x, y), derivatives(x, y, v, u)
    found = dict(
        f=problem.value(x, y),
        grad_y_f=problem.upper_grad_y(x, y),
        grad_y_g=problem.lower_grad_y(x, y),
        grad_x_g=problem.lower_grad_x(x, y),
        Av=problem.hessian(x, y) @ v,
        Jv=J @ v,
        Jtu=J.T @ u,
    )
    for name, value in found.items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-12, atol=1e-14, err_msg=name)
    assert not problem.upper_grad_x(x, y).any() and problem.check(x, y, rng=0).ok


def test_a_linear_lower_gradient_has_zero_derivatives_where_autograd_has_none():
    problem = adapter.problem(
        lambda x, y: (y**2).sum(), lambda x, y: y.sum(), *(torch.ones(2, dtype=torch.float64),) * 2
    )
    x, y = np.ones((2, 2))
    assert not (problem.hessian(x, y) @ y).any() and not (problem.cross(x, y) @ y).any()
    assert not problem.upper_grad_x(x, y).any() and not (problem.cross(x, y).T @ x).any()


def test_batches_are_means_over_their_rows():
    def f_of_rows(x, y, rows, X, t, more, other):
        return f(x, y, None, None, more[rows], other[rows])

    def g_of_rows(x, y, rows, X, t, more, other):
        return g(x, y, X[rows], t[rows], None, None)

    X, t, more, other = arrays()
    sums = adapter.problem(f_of_rows, g_of_rows, *start(), args=(X, t, more, other), n_samples=(len(t), len(t)))
    rows, x, y = np.arange(3, 40), sums.x0 + 0.1, sums.y0 + 0.2
    again = adapter.problem(f, g, *start(), args=(X[rows], t[rows], more, other))
    part = sums.minibatch(lower=rows)
    np.testing.assert_allclose(part.lower_grad_y(x, y), again.lower_grad_y(x, y), rtol=1e-13)
    result = minimize(sums, sums.x0, sums.y0, batch_size=16, rng=0, step_x=0.5, step_y=0.5, maxiter=3)
    x, y = sums.tree(result)
    assert result.batches and x[1]["s"].shape == () and y["w"].shape == (P,)
    tree = pickle.loads(pickle.dumps(result)).tree
    assert tree.x[1]["s"] == x[1]["s"] and (tree.y["w"] == y["w"]).all() and tree.v.keys() == y.keys()
    np.testing.assert_array_equal(sums.ravel_x(tree.hypergradient), result.hypergradient)


def test_float32_counts_with_the_digits_of_float32():
    problem = logistic(torch.float32, mu=float(np.exp(-3)))
    report = hypergradient(problem, problem.x0, problem.y0 + np.float32(1))
    assert problem.dtype == report.value.dtype == np.float32 and report.error_bound > 1e-8
    with pytest.raises(ArgumentError, match=r"x0\[1\]: found dtype torch.float64"):
        adapter.problem(f, g, [torch.zeros(1), torch.zeros(1).double()], torch.zeros(1))


class Net(torch.nn.Module):
    def __init__(self, *between):
        super().__init__()
        self.stack = torch.nn.Sequential(torch.nn.Linear(P, 3), *between, torch.nn.Tanh(), torch.nn.Linear(3, 1))

    def forward(self, X):
        return self.stack(X)[:, 0]


def of_module(net):
    X, t, more, other = arrays()

    def value(x, y):
        return softplus(-other * torch.func.functional_call(net, y, (more,))).mean()

    def lower(x, y):
        loss = softplus(-t * torch.func.functional_call(net, y, (X,))).mean()
        return loss + 0.5 * sum((x.exp() * part**2).sum() for part in y.values())

    return adapter.problem(value, lower, torch.tensor(0.0).double(), net)


def test_a_modules_parameters_are_y():
    problem = of_module(Net().double())
    assert problem.n_y == 4 * 1 + 3 * P + 3 and problem.check(problem.x0, problem.y0, rng=0).ok
    assert set(problem.unravel_y(problem.y0)) == set(dict(Net().named_parameters()))
    quiet = Net(torch.nn.BatchNorm1d(3), torch.nn.Dropout(0.5)).double().eval()
    assert of_module(quiet).check(problem.x0, of_module(quiet).y0, rng=0).ok


@pytest.mark.parametrize(
    "layer, what", [(torch.nn.BatchNorm1d(3), "moves the buffer .*running_mean"), (torch.nn.Dropout(0.5), "and then")]
)
def test_a_module_that_is_no_function_is_refused(layer, what):
    with pytest.raises(ArgumentError, match=rf"f: found .*{what}.*module.eval"):
        of_module(Net(layer).double())


CUTS = {
    "detach": lambda x, y: (y**2).sum() - (x * y.detach()).sum(),
    "data": lambda x, y: (y**2).sum() - (x * y.data).sum(),
    "item": lambda x, y: (y**2).sum() * x[0].item() + (y[0] * x[1]),
    "float": lambda x, y: (y**2).sum() * float(x[0]) + (y[0] * x[1]),
}


@pytest.mark.filterwarnings("ignore:Converting a tensor")
@pytest.mark.parametrize("name", CUTS)
def test_what_cuts_is_named_with_its_line(name):
    problem = adapter.problem(lambda x, y: (y**2).sum(), CUTS[name], *(torch.ones(2).double(),) * 2)
    notes = [row.note for row in problem.check(problem.x0 + 0.1, problem.y0 + 0.2, rng=0).failed]
    assert notes and all(name in note and "test_torch.py" in note for note in notes)


def test_what_rounds_is_named_with_its_line():
    problem = adapter.problem(
        lambda x, y: (y**2).sum(), lambda x, y: (y.float() ** 2).sum() - (x * y).sum(), *(torch.ones(2).double(),) * 2
    )
    (row,) = [row for row in problem.check(problem.x0, problem.y0, rng=0) if row.name == "g in float64"]
    assert row.verdict == "failed" and "rounded to float32 at" in row.note


def _writes(x, y):
    with torch.no_grad():
        y.add_(1)
    return (y**2).sum()


@pytest.mark.parametrize(
    "bad, what",
    [
        (lambda x, y: y, r"shape \(2,\)"),
        (lambda x, y: y.numpy().sum(), "numpy"),
        (lambda x, y: 1.0, "float"),
        (lambda x, y: y.mul_(2).sum(), "modified inplace"),
        (_writes, "inplace"),
        (lambda x, y: (y**2).sum() * torch.rand(()), "and then"),
        (lambda x: x.sum(), "TypeError"),
        (3.0, "float"),
    ],
)
def test_functions_that_cannot_be_used(bad, what):
    good, at = (lambda x, y: (y**2).sum()), (torch.ones(2).double(),) * 2
    for name, functions in dict(f=(bad, good), g=(good, bad)).items():
        with pytest.raises(ArgumentError, match=rf"^{name}: .*{what}"):
            adapter.problem(*functions, *at)


@pytest.mark.parametrize(
    "x0, argument",
    [
        ([1, 2], r"x0\[0\]"),
        ({"a": np.array([np.nan])}, r"x0\['a'\]"),
        ([], "x0"),
        (torch.ones(2).half(), "x0"),
        ("a", "x0"),
    ],
)
def test_leaves_that_cannot_be_used(x0, argument):
    with pytest.raises(ArgumentError, match=argument):
        adapter.problem(lambda x, y: y.sum(), lambda x, y: y.sum(), x0, torch.ones(2))


def test_the_implicit_function_has_the_derivative_of_y_star():
    problem, reports = logistic(), []

    def solver(x, *args):
        reports.append(hypergradient(problem, problem.ravel_x(x), lower_tol=1e-12))
        return problem.unravel_y(reports[-1].lower.y)

    y_star, given = adapter.implicit(g, solver, rtol=1e-12), list(arrays())
    x = problem.unravel_x(problem.x0)
    for leaf in (x[0], x[1]["s"], given[1]):
        leaf.requires_grad_()
    f(x, y_star(x, *given), *given).backward()
    gradient = np.append(x[0].grad.numpy(), x[1]["s"].grad.numpy())
    np.testing.assert_allclose(gradient, reports[-1].value, rtol=0, atol=1e-9)
    assert given[1].grad.abs().max() > 0  # and in the data


def test_a_failed_backward_pass_is_an_error_with_its_status():
    saddle = adapter.implicit(lambda x, y: (y[:1] ** 2 - y[1:] ** 2 + x * y).sum(), lambda x: x.clone())
    x = torch.tensor([1.0, 2.0]).double().requires_grad_()
    with pytest.raises(EvaluationError) as caught:
        (saddle(x) ** 2).sum().backward()
    assert caught.value.status == SolveStatus.INDEFINITE


def upper(x, y):
    return 0.5 * ((y - 1) ** 2).sum()


def lower(x, y):
    return (y**2).sum() - (x * y).sum()


def test_a_problem_of_named_functions_is_pickled():
    problem = adapter.problem(upper, lower, *(torch.ones(2).double(),) * 2, mu=2.0)
    again = pickle.loads(pickle.dumps(problem))
    np.testing.assert_allclose(hypergradient(again, again.x0).value, -0.25 * np.ones(2), rtol=1e-12)


def test_frozen_parameters_are_no_part_of_y():
    """Who fine-tunes the last layer alone says so by requires_grad_(False): the others stay as they are."""
    net = Net().double()
    first = next(iter(dict(net.named_parameters())))
    net.get_parameter(first).requires_grad_(False)
    before, problem = net.get_parameter(first).clone(), of_module(net)
    assert first not in problem.unravel_y(problem.y0)
    assert problem.n_y == sum(part.numel() for part in net.parameters() if part.requires_grad)
    assert problem.check(problem.x0, problem.y0 + 0.1, rng=0).ok
    hypergradient(problem, problem.x0, problem.y0, mu="estimate")
    assert torch.equal(net.get_parameter(first), before)
    np.testing.assert_array_equal(problem.ravel_y(net), problem.y0)


def test_a_gradient_where_the_function_has_no_value_is_no_gradient():
    """log(y − 5) at y = 1 is NaN, and 1/(y − 5) a number: of nothing."""

    def squares(x, y):
        return ((y - x) ** 2).sum()

    def none(x, y):
        return torch.log(y - 5).sum()

    for functions, name in (((none, squares), "upper"), ((squares, none), "lower")):
        problem = adapter.problem(*functions, torch.ones(2).double(), torch.ones(2).double())
        with pytest.raises(CallableError, match=rf"{name}.grad_y.*nan"):
            hypergradient(problem, problem.x0, mu="estimate")


def test_what_rounds_float32_is_named_too():
    def half(x, y):
        return ((y - x) ** 2).bfloat16().sum().float()

    problem = adapter.problem(lambda x, y: y.sum(), half, torch.ones(2), torch.ones(2))
    (row,) = [row for row in problem.check(problem.x0, problem.y0 + np.float32(1), rng=0) if row.name == "g in float32"]
    assert row.verdict == "failed" and "float32 is rounded to bfloat16 at" in row.note


class Behind:
    """A module that no closure of f or g shows."""

    def __init__(self, layer):
        self.net = torch.nn.Sequential(layer, torch.nn.Linear(P, 1)).double()

    def problem(self, value=None):
        X, t, more, other = arrays()

        def predict(y, X):
            return torch.func.functional_call(self.net, y, (X,))[:, 0]

        return adapter.problem(
            lambda x, y: softplus(-other * predict(y, more)).mean(),
            lambda x, y: softplus(-t * predict(y, X)).mean() + x.exp() * sum((part**2).sum() for part in y.values()),
            torch.tensor(0.0).double(),
            {name: 0 * part.detach() for name, part in self.net.named_parameters()},
        )


@pytest.mark.parametrize(
    "layer, what",
    [(torch.nn.BatchNorm1d(P), "moves the buffer BatchNorm1d.running_mean"), (torch.nn.Dropout(0.5), "and then")],
)
def test_a_module_behind_other_functions_is_found_and_zeros_hide_no_dropout(layer, what):
    with pytest.raises(ArgumentError, match=rf"f: found .*{what}.*module.eval"):
        Behind(layer).problem()


def into_the_module(net, y):
    with torch.no_grad():
        for parameter, part in zip(net.parameters(), y.values(), strict=True):
            parameter.copy_(part)


@pytest.mark.parametrize("put", [lambda net, y: None, lambda net, y: net.load_state_dict(y), into_the_module])
@pytest.mark.parametrize("name", "fg")
def test_a_module_that_is_called_without_y_is_refused(put, name):
    """A hyper-gradient of 0 that said CONVERGED."""
    X, t = arrays()[:2]
    net = torch.nn.Linear(P, 1).double()

    def stale(x, y):
        put(net, y)
        return softplus(-t * net(X)[:, 0]).mean() + x.sum()

    def right(x, y):
        return softplus(-t * torch.func.functional_call(net, y, (X,))[:, 0]).mean() + x.exp() * (y["bias"] ** 2).sum()

    functions = (stale, right) if name == "f" else (right, stale)
    with pytest.raises(
        ArgumentError, match=rf"^{name}: found .*nothing of y, but captured parameters.*functional_call"
    ):
        adapter.problem(*functions, torch.tensor(0.0).double(), dict(net.named_parameters()))


def test_a_cut_is_found_where_the_first_point_hides_it():
    """At y = 0, J v is 0 whatever is detached."""
    X, t = (array.float() for array in arrays()[:2])
    problem = adapter.problem(
        lambda x, y: ((X @ y - t) ** 2).mean(),
        lambda x, y: ((X @ y - t) ** 2).mean() + x.exp().detach() * (y**2).sum(),
        torch.tensor(0.0),
        torch.zeros(P),
    )
    with pytest.raises(ArgumentError, match=r"product J v .*beside detach"):
        hypergradient(problem, problem.x0, mu="estimate", rtol=1e-5)


def test_structures_with_empty_places_and_plain_numbers():
    x0, zeros = {"size": 0.0, "none": None}, torch.zeros(2)
    problem = adapter.problem(
        lambda x, y: ((y[0] - 1) ** 2).sum(),
        lambda x, y: x["size"].exp() * (y[0] ** 2).sum() - y[0].sum(),
        x0,
        (zeros, None),
    )
    assert problem.dtype == np.float32 and problem.unravel_x(problem.x0) == {"size": torch.tensor(0.0), "none": None}
    assert problem.unravel_y(problem.y0)[1] is None
    found = hypergradient(problem, problem.x0, mu="estimate", rtol=1e-5)
    np.testing.assert_allclose(found.value, 1.0, rtol=1e-5)  # φ = 2 (e^−x/2 − 1)²


@pytest.mark.parametrize(
    "leaf, message",
    [(torch.eye(3).to_sparse(), "sparse_coo, expected a dense"), (torch.arange(3), "is captured, or one")],
)
def test_a_leaf_that_is_no_variable_is_refused_with_a_remedy(leaf, message):
    with pytest.raises(ArgumentError, match=f"x0: found .*{message}"):
        adapter.problem(lambda x, y: y.sum(), lambda x, y: (y**2).sum(), leaf, torch.zeros(2))


def test_what_has_no_second_derivative_is_refused_with_a_remedy():
    layer, S = torch.nn.TransformerEncoderLayer(2, 1, 2, dropout=0.0, batch_first=True), torch.ones(1, 2, 2)

    def g(x, y):
        return torch.func.functional_call(layer, y, (S,)).square().mean() + sum((part**2).sum() for part in y.values())

    problem = adapter.problem(lambda x, y: y["linear1.bias"].sum(), g, torch.zeros(1), layer)
    with pytest.raises(ArgumentError, match=r"g: found .*not implemented.*sdpa_kernel"):
        problem.hessian(problem.x0, problem.y0) @ problem.y0


def test_y_starts_where_the_problem_was_made():
    """Zeros are a saddle point of a network: with them a hyper-gradient of one was 0 and INDEFINITE."""
    rng = np.random.default_rng(0)
    X, t = torch.from_numpy(rng.standard_normal((30, 3))), torch.from_numpy(rng.standard_normal(30))
    y0 = [torch.from_numpy(rng.standard_normal(shape)) for shape in ((3, 2), (2,))]

    def g(x, y):  # as an inner loop of MAML has it: near to its start
        apart = sum(((part - start) ** 2).sum() for part, start in zip(y, x, strict=True))
        return ((torch.tanh(X @ y[0]) @ y[1] - t) ** 2).mean() + 2 * apart

    problem = adapter.problem(lambda x, y: ((torch.tanh(X @ y[0]) @ y[1] - t) ** 2).mean(), g, y0, y0)
    found, solved = hypergradient(problem, problem.x0, mu="estimate"), lower_solution(problem, problem.x0, tol=1e-10)
    assert found.success and np.linalg.norm(found.value) > 0
    np.testing.assert_allclose(lower_solution(problem, problem.x0, problem.y0, tol=1e-10).y, solved.y, rtol=0, atol=0)
    run = minimize(problem, problem.x0, maxiter=1)
    assert np.linalg.norm(run.y - problem.y0) < 0.5 * np.linalg.norm(problem.y0)
    assert diagnose(problem, problem.x0, found.value, mu="estimate").right


def ridge(x, y):
    return ((y - 1) ** 2).sum() + (x.exp() * y**2).sum()


def test_a_second_derivative_of_the_implicit_function_is_refused_on_every_way():
    """Silent before, where the loss depends on x in another way too: torch.autograd.grad left the error out."""
    y_star = adapter.implicit(ridge, lambda x: 1 / (1 + x.exp()))
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad((y_star(x) ** 2).sum() + (x**2).sum(), x, create_graph=True)
    np.testing.assert_allclose(gradient.detach().numpy(), -0.25, rtol=1e-10)  # 2 y y' = −2 eˣ/(1 + eˣ)³
    total = gradient.sum()
    with pytest.raises(ArgumentError, match="second derivative"):
        torch.autograd.grad(total, x, retain_graph=True)
    with pytest.raises(ArgumentError, match="second derivative"):
        total.backward()


@pytest.mark.parametrize("transform", ["grad", "jacrev", "vmap"])
def test_the_implicit_function_refuses_tensors_that_stand_for_many(transform):
    y_star = adapter.implicit(ridge, lambda x: 1 / (1 + x.exp()))
    x, transformed = torch.zeros(2, 3, dtype=torch.float64), getattr(torch.func, transform)(lambda x: y_star(x).sum())
    with pytest.raises(ArgumentError, match=r"torch\.func"):
        transformed(x)


def test_what_pytorch_does_not_differentiate_is_named():
    from torch.utils.checkpoint import checkpoint

    x, y = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    kept = adapter.problem(lambda x, y: (y**2).sum(), lambda x, y: checkpoint(ridge, x, y, use_reentrant=False), x, y)
    assert hypergradient(kept, kept.x0, mu="estimate").status == SolveStatus.CONVERGED
    once = adapter.problem(lambda x, y: (y**2).sum(), lambda x, y: checkpoint(ridge, x, y, use_reentrant=True), x, y)
    with pytest.raises(ArgumentError, match=r"g: found .*use_reentrant"):
        hypergradient(once, once.x0, mu="estimate")


def test_a_tolerance_is_taken_where_y_starts():
    """g = Σ (|y| − 1)² and more has no gradient at y = 0; that of a module with weight_norm has none either."""
    y0 = torch.ones(3, dtype=torch.float64)
    problem = adapter.problem(
        lambda x, y: (y**2).sum(), lambda x, y: ((y**2).sqrt() - x.exp()).square().sum(), 0 * y0, y0
    )
    np.testing.assert_allclose(hypergradient(problem, problem.x0, mu="estimate").value, 2.0, rtol=1e-9)
