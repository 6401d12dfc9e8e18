"""Newton's method on the fits of several folds at once: the arithmetic of :mod:`.direct`, in arrays (fold, …).

    S_k = X_k Y_kᵀ,   g_k = Σ_i w_ki ℓ(S_ki, t_ki) + ½ Σ_j D_j y_kj²,   ∇_k = R_kᵀ(w_k ∘ X_k) + D ∘ y_k,   R = ℓ′(S)
    A_k = Σ_i w_ki ℓ″(S_ki) ⊗ x_ki x_kiᵀ + diag D,     y_k ← y_k − t_k A_k⁻¹∇_k

Of some hundreds of coefficients a factorization of A takes as long as many products with it. There a step, and A v = b,
are solved by conjugate gradients that an older factorization of the same fold preconditions, of a point nearby:

    −A d ≈ ∇_y g   to   ‖∇_y g + A d‖²_{P⁻¹} ≤ min(`FORCING`, √(δ/unit)) δ,    δ = ‖∇_y g‖²_{P⁻¹} ≈ dᵀA d

and A is factored anew once the products since the last factor have taken as long as another (by multiplications, each
`SLOW` times slower; the first `FREE` of a solve do not count), or would in one solve. φ is f − vᵀ∇_y g, whose
error is of second order (:mod:`lancbio_ref.hyper_objective`), and A⁻¹ is applied by factors alone at the end.

A fold with fewer samples than another is filled up with samples of weight 0. Of some hundred samples what Python does
between two products takes longer than they do, and is done once for all folds; a step that is too long for one fold is
halved for that one. Large fits, and sparse ones, are stacks of one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import LinAlgError
from scipy.linalg.blas import dtrsv
from scipy.linalg.lapack import dpotrf, dpotrs

from ..problems.generalized_linear.ball import PIN
from ..problems.generalized_linear.losses import Loss, Multinomial
from ..problems.generalized_linear.problem import GeneralizedLinearProblem
from ..problems.generalized_linear.samples import fit_of
from .conjugate import conjugate_gradients
from .rows import Rows

ENTRIES = 2**18  # of the features of a stack
DECREMENT, ROUGH = 1e-18, 1e-7
NEWTON, NOISE = 60, 1e-12
MANY = 128  # coefficients of a fit, from which factorizations are kept
FORCING = 0.1
KEPT = 16  # points of which one may be the start of a fit
SLOW = 16.0  # how many times longer a multiplication takes in a product than in a factorization
FREE = 3  # products of a solve that no new factor would save


@dataclass
class State:
    """Of K points: Y (K, C, q), scores (K, n, C), probabilities of several classes (K, n, C), g (K,), ∇_y g (K, Cq)."""

    Y: np.ndarray
    S: np.ndarray
    P: np.ndarray
    g: np.ndarray
    gradient: np.ndarray

    def where(self, chosen: np.ndarray, other: State) -> State:
        """Of these folds this state, of the others the other."""
        both = zip(vars(self).values(), vars(other).values(), strict=True)
        return State(*(np.where(chosen.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in both))


class Stack:
    """K fits of one model and one penalty.

    Parameters
    ----------
    parts : list of GeneralizedLinearProblem
    pieces : list of ndarray
        Where their coefficients start.
    weights : ndarray, shape (K,)
        ω of the validation losses.
    unit : float
        What an intercept alone loses.

    Attributes
    ----------
    Y : ndarray, shape (K, C, q)
        Of the last solve.
    n_factorizations, n_products : int
        Of single fits; products are those with a Hessian.
    """

    def __init__(
        self, parts: list[GeneralizedLinearProblem], pieces: list[np.ndarray], weights: np.ndarray, unit: float
    ) -> None:
        self.parts, self.weights, self.unit = parts, weights, unit
        self.n_factorizations = self.n_products = 0
        self.loss, self.penalty, self.weighted = parts[0].loss, parts[0].penalty, parts[0].weighting.n > 0
        self.train, self.validation = (
            Rows([getattr(part, name) for part in parts]) for name in ("train", "validation")
        )
        self.Y = np.array(pieces, np.float64).reshape(len(parts), *parts[0].shape)
        self.pin = PIN / self.Y.shape[1] if self.Y.shape[1] > 1 and parts[0].has_intercept else 0.0
        self._factors: list[Any] = [None] * len(parts)
        self._fixed = parts[0].has_constant_curvature and not self.weighted
        self._gram: np.ndarray | None = None  # of constant curvature
        self._keeps = math.prod(parts[0].shape) >= MANY and not self._fixed
        self._worth = self._products_of_a_factor()
        self._spent = np.full(len(parts), math.inf)  # products since the last factor
        self._far = np.ones(len(parts))  # ≥ 1: how much larger dᵀA d was than ‖∇_y g‖²_{P⁻¹}
        self._v = np.zeros((len(parts), math.prod(parts[0].shape)))
        self._kept: deque[tuple[np.ndarray, np.ndarray, np.ndarray]] = deque(maxlen=KEPT)  # x, Y and v

    def objective(self, x: np.ndarray, enough: float) -> tuple[float, np.ndarray]:
        """Σ ω_k (f_k − v_kᵀ∇_y g_k), and Σ ω_k J_k v_k, A_k v_k = ∇_y f_k, where g_k has a decrement of `enough`.

        It is Newton's, ‖∇_y g‖² in the norm of A⁻¹; and v is wrong by the root of `enough` in that of A.
        """
        if self._kept and not self._fixed:  # start where x was nearest
            _, self.Y, self._v = min(self._kept, key=lambda kept: float(np.linalg.norm(kept[0] - x)))
        W, D = self._sample_weights(x), self.penalty.diagonal(x[: self.penalty.n], self.Y.dtype)
        if self._fixed:
            state = self._stepped(W, D)
        else:
            state = self._approached(W, D, enough) if self._keeps else self.solve(x, enough)
        rows = self.validation
        S = rows.scores(state.Y)
        losses, R, _ = evaluated(self.loss, S, rows)
        f = np.einsum("kn,kn->k", rows.base, losses)
        b = rows.transposed(rows.base[..., None] * R).reshape(len(f), -1)
        if self._keeps:
            v = self._v = self._inverse(state, W, D, b, enough)
        else:
            v = np.array([self.factored(k, b[k]) for k in range(len(f))])
        self._kept.appendleft((x.copy(), state.Y, self._v))
        f -= np.einsum("kj,kj->k", v, state.gradient)
        n, out = self.penalty.n, np.zeros(x.size)
        if n:  # (J v)_j = Σ_{block j} exp(x_j) y v
            total = self.penalty.exponentials(x[:n]) * (self.weights @ (state.Y.reshape(v.shape) * v))
            out[:n] = np.bincount(self.penalty.block + 1, total, n + 1)[1:]
        if self.weighted:
            for weight, part, y, own in zip(self.weights, self.parts, state.Y, v, strict=True):
                fit, w = fit_of(part.train, part.loss, y.ravel()), part.weighting.values(x[n:], v.dtype)
                out[n:] += weight * part.weighting.cross(x[n:], fit, w).matvec(own)
        return float(self.weights @ f), out

    def factored(self, k: int, b: np.ndarray) -> np.ndarray:
        """A_k⁻¹b by the factors of the last solve."""
        L = self._factors[k]
        if b.size < MANY:
            return np.asarray(dpotrs(L, b, lower=1)[0])
        return np.asarray(dtrsv(L, dtrsv(L, b, lower=1), lower=1, trans=1))  # of one vector, twice as fast

    def _stepped(self, W: np.ndarray, D: np.ndarray) -> State:
        """Of a quadratic g, whose least value is one step away: Y and ∇_y g = 0 there; S and g are those of before."""
        state, every = self._at(self.Y, W, D), np.ones(len(self.parts), bool)
        self._factor(state, W, D, every, again=False)
        step = self._preconditioned(state.gradient, every)
        if not np.isfinite(step).all():
            raise LinAlgError("a Hessian is not positive definite, to rounding")
        self.Y = state.Y - step.reshape(state.Y.shape)
        return replace(state, Y=self.Y, gradient=np.zeros_like(state.gradient))

    def _products_of_a_factor(self) -> int:
        """How many products with A take as long as to form and factor it."""
        (_, C, q), n = self.Y.shape, self.train.t.shape[1]
        factor, product = C * (C + 1) / 2 * n * q**2 + (C * q) ** 3 / 3, 2 * n * C * q + (C * q) ** 2
        return FREE + max(int(factor / (SLOW * product)), 1)

    def _preconditioned(self, R: np.ndarray, which: np.ndarray) -> np.ndarray:
        """P⁻¹r of these fits, 0 of the others."""
        return np.array([self.factored(k, r) if which[k] else np.zeros(r.size) for k, r in enumerate(R)])

    def _approached(self, W: np.ndarray, D: np.ndarray, enough: float) -> State:
        """As `solve`, by products with A and the factors there are."""
        state, K = self._at(self.Y, W, D), len(self.parts)
        going, before = np.ones(K, bool), np.full(K, math.inf)
        for _ in range(NEWTON):
            self._factor(state, W, D, going & (self._spent > self._worth), again=False)
            size = np.einsum("kj,kj->k", state.gradient, self._preconditioned(state.gradient, going))
            decrement = self._far * size
            if not np.isfinite(decrement).all():
                raise LinAlgError("a Hessian is not positive definite, to rounding")
            going &= decrement > enough
            going &= (before > 1e6 * DECREMENT * self.unit) | (decrement <= 0.25 * before)  # else it is rounding
            if not going.any():
                break
            forcing = np.minimum(FORCING, np.sqrt(decrement / self.unit))
            target = np.where(going, np.maximum(forcing * size, 0.1 * enough / self._far), math.inf)
            step = self._solved(state, W, D, -state.gradient, target)
            exact = -np.einsum("kj,kj->k", state.gradient, step)
            self._far = np.where(going, np.maximum(exact / np.where(going, size, 1.0), 1.0), self._far)
            trial, found = self._searched(state, step, exact, going, W, D)
            state, going, before = trial if found.all() else trial.where(found, state), going & found, exact
        self.Y = state.Y
        return state

    def _inverse(self, state: State, W: np.ndarray, D: np.ndarray, b: np.ndarray, enough: float) -> np.ndarray:
        """A_k⁻¹b_k to ‖·‖²_A of `enough`, from the v of before."""
        residual = b - self._product(state, W, D)(self._v)
        return self._v + self._solved(state, W, D, residual, enough / self._far)

    def _solved(self, state: State, W: np.ndarray, D: np.ndarray, b: np.ndarray, target: np.ndarray) -> np.ndarray:
        """A_k⁻¹b_k to ‖·‖²_{P⁻¹} of `target`, or by a new factor of A_k where that takes long."""
        found = conjugate_gradients(self._product(state, W, D), self._preconditioned, b, target, self._worth)
        self.n_products += int(found.products.sum())
        self._spent += np.maximum(found.products - FREE, 0)
        missed = (target < math.inf) & ~(found.left <= target)
        if missed.any():
            self._factor(state, W, D, missed, again=False)
            found.x[missed] = self._preconditioned(b, missed)[missed]
            self._far[missed] = 1.0
        return found.x

    def _product(self, state: State, W: np.ndarray, D: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """v_k → A_k v_k of all fits."""
        shape, P, curvature = state.Y.shape, state.P, state.P
        several = isinstance(self.loss, Multinomial)
        if not isinstance(self.loss, Multinomial):
            curvature = self.loss.curvature(state.S.ravel(), self.train.t.ravel()).reshape(W.shape)
            curvature = (W * curvature)[..., None]

        def product(v: np.ndarray) -> np.ndarray:
            V = v.reshape(shape)
            S = self.train.scores(V)
            if several:  # W (diag p − p pᵀ) s
                S *= P
                S -= P * S.sum(axis=2, keepdims=True)
                S *= W[..., None]
            else:
                S *= curvature
            out = self.train.transposed(S)
            if self.pin:
                out[:, :, -1] += self.pin * V[:, :, -1].sum(axis=1)[:, None]
            return np.asarray(out.reshape(v.shape) + D * v)

        return product

    def solve(self, x: np.ndarray, enough: float) -> State:
        """The fits, to a Newton decrement; their Y and the factors of their Hessians there are kept.

        Raises
        ------
        LinAlgError
            A Hessian that is not positive definite, to rounding.
        """
        W, D = self._sample_weights(x), self.penalty.diagonal(x[: self.penalty.n], self.Y.dtype)
        state, K = self._at(self.Y, W, D), len(self.parts)
        going, before = np.ones(K, bool), np.full(K, math.inf)
        for iteration in range(NEWTON + 1):
            near = self._keeps & (before <= 1e6 * DECREMENT * self.unit)  # a factor of y before is one of y
            self._factor(state, W, D, going & ~near, again=iteration > 0)
            if iteration == NEWTON:
                break
            step = np.array(
                [-self.factored(k, state.gradient[k]) if going[k] else 0 * state.gradient[k] for k in range(K)]
            )
            decrement = -np.einsum("kj,kj->k", state.gradient, step)
            if not np.isfinite(decrement).all():
                raise LinAlgError("a Hessian is not positive definite, to rounding")
            # near the end Newton's method is quadratic: a decrement that a step has not quartered is rounding
            going &= ~((decrement <= enough) | ((before <= 1e6 * DECREMENT * self.unit) & (decrement > 0.25 * before)))
            if not going.any():
                break
            step[~going] = 0.0
            trial, found = self._searched(state, step, decrement, going, W, D)
            state, going = trial if found.all() else trial.where(found, state), going & found
            before = decrement
            if not going.any():
                break  # rounding: no step makes it better
        self.Y = state.Y
        return state

    def _searched(
        self, state: State, step: np.ndarray, decrement: np.ndarray, going: np.ndarray, W: np.ndarray, D: np.ndarray
    ) -> tuple[State, np.ndarray]:
        """A step that makes g smaller (Armijo), and which folds have found one."""
        t = np.ones(len(step))
        noise = NOISE * (np.abs(state.g) + self.unit)  # of g, below which the gradient says whether a step is good
        shortest = np.where(decrement <= noise, 0.1, 1e-18)  # of saturated scores, whose Hessian is all but 0
        norm = np.linalg.norm(state.gradient, axis=1)
        while True:
            trial = self._at(state.Y + (t[:, None] * step).reshape(state.Y.shape), W, D)
            after = np.linalg.norm(trial.gradient, axis=1)
            good = (trial.g <= state.g - 1e-4 * t * decrement) | ((decrement <= noise) & (after < norm)) | ~going
            t = np.where(good, t, t / 2)
            if (good | (t < shortest)).all():
                return trial, good & (after < np.inf)

    def _at(self, Y: np.ndarray, W: np.ndarray, D: np.ndarray) -> State:
        S = self.train.scores(Y)
        losses, R, P = evaluated(self.loss, S, self.train)
        y = Y.reshape(len(Y), -1)
        g = np.einsum("kn,kn->k", W, losses) + 0.5 * (y * y) @ D
        gradient = self.train.transposed(W[..., None] * R).reshape(y.shape) + D * y
        if self.pin:  # ½ PIN (Σ_c b_c)²/C
            total = Y[:, :, -1].sum(axis=1)
            g += 0.5 * self.pin * total**2
            gradient.reshape(Y.shape)[:, :, -1] += self.pin * total[:, None]
        return State(Y, S, P, g, gradient)

    def _sample_weights(self, x: np.ndarray) -> np.ndarray:
        """w, 0 of what fills up."""
        if not self.weighted:
            return self.train.base
        W = np.zeros(self.train.base.shape)
        for k, part in enumerate(self.parts):
            W[k, : len(part.train)] = part.weighting.values(x[self.penalty.n :], W.dtype)
        return W

    def _factor(self, state: State, W: np.ndarray, D: np.ndarray, going: np.ndarray, *, again: bool) -> None:
        if (again and self._fixed) or not going.any():
            return  # no y moves A
        A = self._hessians(state, W)
        A[:, np.arange(D.size), np.arange(D.size)] += D
        for k in np.flatnonzero(going):
            self._factors[k], info = dpotrf(A[k].T, lower=1, clean=0, overwrite_a=1)
            self.n_factorizations += 1
            if info:
                raise LinAlgError("a Hessian is not positive definite, to rounding")
            self._spent[k], self._far[k] = 0.0, 1.0

    def _hessians(self, state: State, W: np.ndarray) -> np.ndarray:
        """A less diag D."""
        if not isinstance(self.loss, Multinomial):
            if self._gram is not None:
                return self._gram.copy()
            curvature = self.loss.curvature(state.S.ravel(), self.train.t.ravel()).reshape(W.shape)
            A = self.train.gram(W * curvature)
            self._gram = A.copy() if self._fixed else None
            return A
        (K, C, q), P = state.Y.shape, state.P
        A = np.empty((K, C, q, C, q))
        for c in range(C):
            for d in range(c + 1):
                A[:, c, :, d, :] = A[:, d, :, c, :] = self.train.gram(W * P[..., c] * ((c == d) - P[..., d]))
        if self.pin:
            A[:, :, -1, :, -1] += self.pin
        return A.reshape(K, C * q, C * q)


def evaluated(loss: Loss, S: np.ndarray, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ℓ (K, n), its gradient in the scores (K, n, C), and the probabilities of several classes, else of shape (K,)."""
    if not isinstance(loss, Multinomial):
        s, t = S.ravel(), rows.t.ravel()
        return loss.value(s, t).reshape(rows.t.shape), loss.derivative(s, t).reshape(S.shape), np.empty(len(S))
    centred = S - S.max(axis=2, keepdims=True)
    P = np.exp(centred)
    total = P.sum(axis=2, keepdims=True)
    losses = np.log(total) - np.take_along_axis(centred, rows.labels, 2)
    P /= total
    R = P.copy()
    np.put_along_axis(R, rows.labels, np.take_along_axis(P, rows.labels, 2) - 1, 2)
    return losses[..., 0], R, P


def stacks_of(
    parts: list[GeneralizedLinearProblem], pieces: list[np.ndarray], weights: np.ndarray, unit: float
) -> list[Stack]:
    """The fits, as many after one another in a stack as have `ENTRIES` together."""
    groups: list[list[int]] = []
    for k, part in enumerate(parts):
        together = [*groups[-1], k] if groups else [k]
        alike = all(not sp.issparse(parts[i].train.design.X) and parts[i].penalty is part.penalty for i in together)
        size = len(together) * max(len(parts[i].train) for i in together) * part.train.design.shape[1]
        if groups and alike and size <= ENTRIES:
            groups[-1] = together
        else:
            groups.append([k])
    return [Stack([parts[i] for i in g], [pieces[i] for i in g], weights[g], unit) for g in groups]
