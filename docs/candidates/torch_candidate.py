"""A candidate in PyTorch: the hyper-gradient by automatic differentiation of f and g, which a case has as `problem`.

    pip install torch==2.13.0
    lancbio-ref check --candidate docs.candidates.torch_candidate:hypergradient

A case without a problem (arrays A, J, b, c alone) is solved as it is.
"""

import torch

torch.set_num_threads(1)


def hypergradient(case):
    """∇_x f − ∇²_xy g [∇²_yy g]⁻¹ ∇_y f at (x, y), nothing but f and g being given."""
    if case["problem"] is None:
        A, J, b, c = (torch.from_numpy(case[name]) for name in ("A", "J", "b", "c"))
        return (c - J @ solve(A, b)).numpy()
    name, data = case["problem"]["name"], tensors(case["problem"]["data"])
    f, g = PROBLEMS[name]
    x = torch.from_numpy(case["problem"]["x"]).requires_grad_()
    y = torch.from_numpy(case["problem"]["y"]).requires_grad_()
    c, b = torch.autograd.grad(f(x, y, **data), (x, y), materialize_grads=True)
    (grad,) = torch.autograd.grad(g(x, y, **data), y, create_graph=True)
    rows = [torch.autograd.grad(entry, y, retain_graph=True, materialize_grads=True)[0] for entry in grad]
    v = solve(torch.stack(rows), b)
    (Jv,) = torch.autograd.grad(grad @ v, x, materialize_grads=True)  # ∂/∂x of ∇_y g · v
    return (c - Jv).numpy()


def solve(A, b):
    """A⁻¹b by Cholesky's factorization; powers of two keep all numbers near 1."""
    s, t = (int(torch.frexp(a.abs().max())[1]) for a in (A, b))
    half = torch.ldexp(A, torch.tensor(-s, dtype=A.dtype))
    A = (half + half.T) / 2  # derivatives are symmetric up to rounding; given arrays must be exactly
    if (half - half.T).abs().max() > 1e-10:
        raise ValueError("A is not symmetric")
    L, info = torch.linalg.cholesky_ex(A)
    if info or L.diagonal().min() ** 2 <= len(b) * 2.0**-53:
        raise ValueError("A is not positive definite to working precision")
    v = torch.cholesky_solve(torch.ldexp(b, torch.tensor(-t, dtype=b.dtype))[:, None], L)[:, 0]
    v = torch.ldexp(v, torch.tensor(t - s, dtype=b.dtype))
    if not torch.isfinite(v).all():
        raise OverflowError("v is not representable")
    return v


def tensors(data):
    """Arrays as tensors; numbers stay."""
    return {name: torch.from_numpy(value) if hasattr(value, "shape") else value for name, value in data.items()}


# -- f and g of the problems, as their formulas say ----------------------------------------------


def quadratic_f(x, y, A, B, d, t, rho):
    return 0.5 * (y - t) @ (y - t) + 0.5 * rho * x @ x


def quadratic_g(x, y, A, B, d, t, rho):
    return 0.5 * y @ (A @ y) - y @ (B @ x + d)


def ridge_f(x, y, X_train, t_train, X_val, t_val):
    return 0.5 * torch.mean((X_val @ y - t_val) ** 2)


def ridge_g(x, y, X_train, t_train, X_val, t_val):
    return 0.5 * torch.mean((X_train @ y - t_train) ** 2) + 0.5 * torch.exp(x) @ y**2


def cross_entropies(Y, X, labels):
    """log Σ_c exp(y_c·x_i) − y_{l_i}·x_i for every sample i."""
    return torch.nn.functional.cross_entropy(X @ Y.T, torch.as_tensor(labels), reduction="none")


def logistic_f(x, y, classes, X_train, labels_train, X_val, labels_val):
    return cross_entropies(y.view(classes, -1), X_val, labels_val).mean()


def logistic_g(x, y, classes, X_train, labels_train, X_val, labels_val):
    Y = y.view(classes, -1)
    return cross_entropies(Y, X_train, labels_train).mean() + (torch.exp(x) * Y**2).sum() / (2 * Y.numel())


def with_ones(X):
    return torch.cat([X, torch.ones_like(X[:, :1])], dim=1)


def cleaning_f(x, y, classes, X_train, labels_train, X_val, labels_val, regularization):
    return cross_entropies(y.view(classes, -1), with_ones(X_val), labels_val).mean()


def cleaning_g(x, y, classes, X_train, labels_train, X_val, labels_val, regularization):
    losses = cross_entropies(y.view(classes, -1), with_ones(X_train), labels_train)
    return torch.mean(torch.sigmoid(x) * losses) + regularization * y @ y


def synthetic_f(x, y, coef, scale_x, ridge, G, gamma):
    return 0.1 * torch.cos(coef @ (x * y)) + 0.5 * torch.sum((scale_x * x - y) ** 2)


def synthetic_g(x, y, coef, scale_x, ridge, G, gamma):
    return gamma * torch.sin(x + y).sum() + torch.logsumexp(x * y, 0) + 0.5 * y @ (ridge * y + G @ y)


PROBLEMS = {
    "quadratic": (quadratic_f, quadratic_g),
    "ridge": (ridge_f, ridge_g),
    "logistic": (logistic_f, logistic_g),
    "data_cleaning": (cleaning_f, cleaning_g),
    "synthetic": (synthetic_f, synthetic_g),
}
