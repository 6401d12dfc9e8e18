"""PyTorch functions as a bilevel problem, and a solver's answer as a function that autograd can differentiate.

∇_y g(x, y) is made once a point, with its graph kept; then

    A v = ∂/∂y (∇_y g · v),    J v = ∂/∂x (∇_y g · v),    Jᵀu = ∂/∂y (∇_x g · u)

are one backward pass each, over the graph that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..arguments import as_flag
from ..errors import ArgumentError
from ..problem import LipschitzConstants
from .cross_norm import bound_of, steps_of
from .implicit import solve_adjoint
from .problem import AdaptedProblem, Batch, Constant, Product, Structure, Tree, require_functions
from .tree import filled, leaves, mapped
from .verification import FirstVerification, Verification

try:
    import torch
except ImportError as error:
    raise ImportError("lancbio_ref.adapters.torch needs PyTorch (pip install torch)") from error

from .torch_inspection import look_at  # these need torch
from .torch_linear import LinearMap, refused
from .torch_structure import TorchStructure, flat

Tensors = tuple[torch.Tensor, ...]


def problem(
    f: Callable[..., torch.Tensor],
    g: Callable[..., torch.Tensor],
    x0: Tree,
    y0: Tree,
    *,
    args: Sequence[Any] = (),
    mu: Constant = None,
    smoothness: Constant = None,
    cross_norm: Constant = None,
    lipschitz: LipschitzConstants | None = None,
    n_samples: int | tuple[int, int] | None = None,
    verify: bool = True,
) -> AdaptedProblem:
    """min_x f(x, y*(x)), y*(x) = argmin_y g(x, y), with all derivatives by autograd.

    Parameters
    ----------
    f, g : callable ``(x, y, *args)`` → tensor of no dimension
        Functions that autograd can differentiate twice; with `n_samples`, of ``(x, y, batch, *args)``, the mean
        over the rows that the integer tensor `batch` names. They leave x, y and all else as they find it.
    x0, y0 : tensor, array, dict, list or tuple of them, or torch.nn.Module
        The structure and type of every x and y; of a module the dict of its parameters that are not
        frozen, for ``torch.func.functional_call(module, y, inputs)``. y starts at `y0` where no start is given. In
        float32, a bound is one of float32.
    args : sequence
        Data, handed on as they are.
    mu, smoothness, cross_norm : float or callable (x, y) → float, optional
        As in :class:`~lancbio_ref.LowerLevel`; a callable gets x and y in their own structure. Without `mu`,
        ``hypergradient(..., mu="estimate")`` has a bound that says it is estimated.
    lipschitz : LipschitzConstants, optional
    n_samples : int or (int, int), optional
        The rows of the two levels, for ``minimize(..., batch_size=)``.
    verify : bool
        Whether derivatives of an f or g with a rule of its own (``torch.autograd.Function``) or a cut
        (``detach``, ``.data``) are compared with differences, near the first, second, fourth, … point: an
        :class:`ArgumentError` where they are others. Off, where a cut is meant.

    Returns
    -------
    AdaptedProblem
        Vectors ``x0``, ``y0``; ``ravel_x``, ``unravel_x``, ``ravel_y``, ``unravel_y`` between vectors and structures.

    Raises
    ------
    ArgumentError
        Leaves that are no floating-point tensors of one type on the CPU; an f or g that fails, is no scalar, differs
        from call to call (a Dropout in training mode), writes into its arguments, or moves a module's buffers (a
        BatchNorm in training mode).

    Examples
    --------
    >>> import torch
    >>> from lancbio_ref import hypergradient
    >>> from lancbio_ref.adapters.torch import problem
    >>> def f(x, y):
    ...     return 0.5 * ((y - 1) ** 2).sum()
    >>> def g(x, y):
    ...     return (y**2).sum() - (x * y).sum()
    >>> ours = problem(f, g, torch.tensor([4.0]).double(), torch.zeros(1).double(), mu=2.0)
    >>> hypergradient(ours, ours.x0).value.round(12)
    array([0.5])
    """
    require_functions(f, g)
    x, y = (TorchStructure(name, tree) for name, tree in (("x0", x0), ("y0", y0)))
    if x.start.dtype != y.start.dtype:
        raise ArgumentError("y0", f"dtype {y.start.dtype}", f"{x.start.dtype}, as x0 has")
    derivatives = TorchDerivatives(f, g, tuple(args), x, y)
    rows = None if n_samples is None else torch.arange(1)
    at = derivatives.leaves(x.start, y.start)
    findings = tuple(
        finding
        for name, function in (("f", f), ("g", g))
        for finding in look_at(name, function, (x0, y0), partial(derivatives.value, name, rows=rows), *at)
    )
    constants = dict(mu=mu, smoothness=smoothness, cross_norm=cross_norm)
    verification = Verification(findings) if as_flag("verify", verify) else None
    return AdaptedProblem(
        derivatives, x, y, findings=findings, constants=constants, lipschitz=lipschitz, n_samples=n_samples,
        verification=verification,
    )  # fmt: skip


class TorchDerivatives:
    """Derivatives of f and g of vectors by autograd; see `Derivatives`."""

    def __init__(
        self,
        f: Callable[..., torch.Tensor],
        g: Callable[..., torch.Tensor],
        args: tuple[Any, ...],
        x: Structure,
        y: Structure,
    ) -> None:
        self.functions, self.args, self.structures = dict(f=f, g=g), args, (x, y)
        self._last: tuple[Any, ...] | None = None

    def leaves(self, x: np.ndarray, y: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """x and y as tensors of which derivatives are taken."""
        return torch.from_numpy(x.copy()).requires_grad_(), torch.from_numpy(y.copy()).requires_grad_()

    def value(self, name: str, x: torch.Tensor, y: torch.Tensor, rows: Batch) -> torch.Tensor:
        """f or g, with its graph."""
        batch = () if rows is None else (rows,)
        trees = (structure.unravel(z) for structure, z in zip(self.structures, (x, y), strict=True))
        value = self.functions[name](*trees, *batch, *self.args)
        if x._version or y._version:
            raise ArgumentError(name, "a function that writes into x or y", "one that leaves them as they are")
        if not isinstance(value, torch.Tensor) or value.ndim or not value.is_floating_point():
            found = (
                f"a tensor of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
            )
            raise ArgumentError(
                name, f"a function that returns {found}", "one that returns a real tensor of no dimension"
            )
        return value

    def upper(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> tuple[float, np.ndarray, np.ndarray]:
        """f, ∇_x f and ∇_y f."""
        at = self.leaves(x, y)
        value = self.value("f", *at, rows)
        grad_x, grad_y = _gradient(value, at, of="f")
        return value.item(), grad_x.numpy(), grad_y.numpy()

    def lower(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> tuple[float, np.ndarray]:
        """g and ∇_y g."""
        at = self.leaves(x, y)
        value = self.value("g", *at, rows)
        return value.item(), _gradient(value, at[1:])[0].numpy()

    def lower_grad_x(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> np.ndarray:
        """∇_x g."""
        at = self.leaves(x, y)
        return _gradient(self.value("g", *at, rows), at[:1])[0].numpy()

    def hessian(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> Product:
        """v → A v = ∂/∂y (∇_y g · v)."""
        gradient, _, y_leaf = self._slope(x, y, rows)
        return LinearMap(gradient, y_leaf)

    def cross(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> Product:
        """v → J v = ∂/∂x (∇_y g · v)."""
        gradient, x_leaf, _ = self._slope(x, y, rows)
        return LinearMap(gradient, x_leaf)

    def cross_adjoint(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> Product:
        """u → Jᵀu = ∂/∂y (∇_x g · u)."""
        at = self.leaves(x, y)
        return LinearMap(_gradient(self.value("g", *at, rows), at[:1], kept=True)[0], at[1])

    def cross_norm(self, J: Product, x: np.ndarray, y: np.ndarray, rows: Batch) -> float:
        """A bound of ‖J‖ that fails for one J in a thousand; see :mod:`lancbio_ref.adapters.cross_norm`."""
        return bound_of(*steps_of(J, self.cross_adjoint(x, y, rows), x.size, x.dtype), x.size)

    def _slope(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> tuple[torch.Tensor, ...]:
        """∇_y g with its graph, x and y, for A and J of one point; a point is known by its numbers."""
        last = self._last
        if last is None or not (last[0] is rows and np.array_equal(last[1], x) and np.array_equal(last[2], y)):
            at = self.leaves(x, y)
            slope = _gradient(self.value("g", *at, rows), at[1:], kept=True)[0]
            last = self._last = (rows, x.copy(), y.copy(), (slope, *at))
        found: tuple[torch.Tensor, ...] = last[3]
        return found

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_last": None}  # a graph does not travel

    def rows(self, indices: np.ndarray) -> Batch:
        """An integer tensor."""
        return torch.from_numpy(indices.astype(np.int64))


def implicit(
    g: Callable[..., torch.Tensor],
    solver: Callable[..., Tree],
    *,
    rtol: float = 1e-8,
    maxiter: int | None = None,
    verify: bool = True,
) -> Callable[..., Tree]:
    """y*(x) = argmin_y g(x, y) as a function that autograd can differentiate, each backward pass with its own proof.

    With ȳ the gradient that arrives at y*, the backward pass solves A v = ȳ by the Lanczos process, warm-started from
    the last one, and returns x̄ = −∂/∂x (∇_y g(x, y*) · v), and likewise for tensors in `args` that ask for a gradient.

    Parameters
    ----------
    g : callable ``(x, y, *args)`` → tensor of no dimension
    solver : callable ``(x, *args)`` → y
        Any solver; what it leaves of ∇_y g is not corrected.
    rtol : float
        Of the evaluated residual, ‖ȳ − A v‖ ≤ rtol ‖ȳ‖.
    maxiter : int, optional
    verify : bool
        As in :func:`problem`, in the first backward pass.

    Returns
    -------
    callable ``(x, *args)`` → y

    Raises
    ------
    ArgumentError
        Under ``torch.func``; out of the backward pass: of g a second derivative that differences of the first refute;
        a derivative of what the backward pass returned.
    EvaluationError
        Out of the backward pass, where the solve did not reach `rtol`; its ``status`` says why.

    Examples
    --------
    >>> import torch
    >>> from lancbio_ref.adapters.torch import implicit
    >>> y_star = implicit(lambda x, y: (y**2 - x * y).sum(), lambda x: x / 2)
    >>> x = torch.tensor([4.0, 6.0]).double().requires_grad_()
    >>> ((y_star(x) - 1) ** 2).sum().backward()
    >>> x.grad.numpy().round(12)
    array([1., 2.])
    """
    require_functions(solver, g)
    last: dict[str, np.ndarray] = {}
    verification = FirstVerification(partial(_derivatives_of, g)) if as_flag("verify", verify) else None
    options = dict(last=last, rtol=rtol, maxiter=maxiter)

    def y_star(x: Tree, *args: Any) -> Tree:
        given = (x, *args)
        _require_plain(given)
        inputs = [leaf.value for leaf in leaves(given) if isinstance(leaf.value, torch.Tensor)]
        found: list[Tree] = []
        outputs = _Implicit.apply(g, solver, given, found, (verification, options), *inputs)
        return filled(found[0], iter(outputs))

    return y_star


class _Implicit(torch.autograd.Function):
    """y*(x) for autograd; its inputs are the tensors among the leaves of (x, *args)."""

    @staticmethod
    def forward(ctx: Any, g: Any, solver: Any, given: Any, found: list[Tree], options: Any, *inputs: Any) -> Any:
        with torch.enable_grad():  # the solver may use autograd itself
            y = solver(*_with_tensors(given, iter([tensor.detach() for tensor in inputs])))
        found.append(y)
        outputs = tuple(leaf.value.detach() for leaf in leaves(y))
        ctx.g, ctx.given, ctx.y, ctx.options = g, given, y, options
        ctx.save_for_backward(*inputs, *outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        """x̄ and those of `args`, in constants; a second derivative meets `_Once` on its way to every input."""
        with torch.no_grad():
            parts = _Implicit.adjoint(ctx, cotangents)
        if torch.is_grad_enabled():
            known = [z for z in (*ctx.saved_tensors, *cotangents) if z is not None and z.requires_grad]
            parts = tuple(None if part is None else _Once.apply(part, *known) for part in parts)
        return None, None, None, None, None, *parts

    @staticmethod
    def adjoint(ctx: Any, cotangents: Tensors) -> tuple[torch.Tensor | None, ...]:
        """x̄ and those of `args`; None for what asks for none."""
        n_outputs, (verification, options) = len(cotangents), ctx.options
        saved = [tensor.detach() for tensor in ctx.saved_tensors]
        inputs = [z.requires_grad_(z.is_floating_point()) for z in saved[:-n_outputs]]
        y = [z.requires_grad_() for z in saved[-n_outputs:]]
        with torch.enable_grad():
            x, *args = _with_tensors(ctx.given, iter(inputs))
            if verification is not None:
                verification.look(x, filled(ctx.y, iter(y)), args)
            gradient = flat(_gradient(ctx.g(x, filled(ctx.y, iter(y)), *args), y, kept=True))  # ∇_y g
        b = flat([torch.zeros_like(z) if part is None else part for z, part in zip(y, cotangents, strict=True)])

        def product(v: np.ndarray) -> np.ndarray:
            return flat(_gradient(gradient, y, torch.from_numpy(v.copy()), again=True)).numpy().copy()

        v = solve_adjoint(product, b.numpy().copy(), **options)
        asked = [z for z in inputs if z.requires_grad]
        answer = iter(_gradient(gradient, asked, torch.from_numpy(-v)))  # x̄ = −∂/∂x (∇_y g · v)
        return tuple(next(answer) if z.requires_grad else None for z in inputs)


class _Once(torch.autograd.Function):
    """The first of its inputs, of which no derivative can be had along the others.

    ``once_differentiable`` does not do: its error stands on no way to x, and ``torch.autograd.grad`` leaves it out.
    """

    @staticmethod
    def forward(ctx: Any, part: torch.Tensor, *known: torch.Tensor) -> torch.Tensor:
        return part.clone()

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        raise ArgumentError(
            "implicit", "a second derivative", "first ones: torch.autograd.grad without create_graph, or backward"
        )


def _require_plain(given: Any) -> None:
    """:class:`ArgumentError` under ``torch.func``: its tensors stand for many, and the solve is made of numbers."""
    if any(torch._C._functorch.is_functorch_wrapped_tensor(leaf.value) for leaf in leaves(given)
           if isinstance(leaf.value, torch.Tensor)):  # fmt: skip
        raise ArgumentError(
            "implicit", "a tensor of torch.func (grad, vmap, jacrev, jvp)", "torch.autograd.grad or backward, outside"
        )


def _derivatives_of(g: Callable[..., torch.Tensor], x: Tree, y: Tree, args: Sequence[Any]) -> Any:
    """As :class:`~lancbio_ref.adapters.verification.FirstVerification` asks for them."""
    at = TorchStructure("x", x), TorchStructure("y", y)
    derivatives = TorchDerivatives(g, g, tuple(args), *at)
    point = at[0].start, at[1].start
    evaluate = partial(derivatives.value, "g", rows=None)
    findings = tuple(look_at("g", g, (), evaluate, *derivatives.leaves(*point)))
    return derivatives, findings, point


def _gradient(
    value: torch.Tensor,
    at: Sequence[torch.Tensor],
    weights: torch.Tensor | None = None,
    *,
    kept: bool = False,
    again: bool = False,
    of: str = "g",
) -> Tensors:
    """∂/∂at (value · weights), zeros where value (of f or g, as `of` says) is constant; ``kept`` with its graph."""
    if not value.requires_grad:
        return tuple(torch.zeros_like(z) for z in at)
    try:
        return torch.autograd.grad(
            value, at, weights, create_graph=kept, retain_graph=kept or again, allow_unused=True, materialize_grads=True
        )
    except RuntimeError as error:
        raise refused(of, error) from error


def _with_tensors(given: Any, tensors: Any) -> Any:
    """(x, *args) with its tensors replaced, in order; what is no tensor stays."""
    return mapped(given, lambda value: next(tensors) if isinstance(value, torch.Tensor) else value)
