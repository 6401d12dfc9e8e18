"""Faults of `hypergradient`: h = c − J v, A v = b, and the derivatives that A, J, b and c are."""

from __future__ import annotations

from .base import Edit, Fault

NUMPY = Edit("hypergradient", "from .problems import", "import numpy as np\n\nfrom .problems import")


def _edit(correct: str, wrong: str) -> Edit:
    return Edit("hypergradient", correct, wrong)


def _problem(correct: str, wrong: str) -> Edit:
    return Edit("problems", correct, wrong)


def _neumann(step: str, terms: int) -> tuple[Edit, ...]:
    return (
        NUMPY,
        _edit(
            SOLVE,
            f"v, term, eta = 0 * b, b, 1 / {step}\n"
            f"    for _ in range({terms}):\n"
            "        v, term = v + eta * term, term - eta * (A @ term)",
        ),
    )


def _gives_up(steps: str) -> tuple[Edit, ...]:
    return (
        Edit("solve", "    p = r\n    for _ in range(50 * len(b)):", f"    p = r\n    for _ in range({steps}):"),
        Edit(
            "solve",
            "parts from b − A v in the end\n",
            "parts from b − A v in the end\n    else:\n        raise RuntimeError\n",
        ),
        _edit(
            SOLVE,
            "try:\n        v = conjugate_gradients(A, b, v0)\n"
            "    except (ValueError, RuntimeError):\n        return 0 * c",
        ),
    )


SOLVE, ANSWER = "v = conjugate_gradients(A, b, v0)  # A v = b", "    return c - J @ v\n\n\ndef from_arrays"
DIRECT = "return c - J @ cholesky_solve(A, b, v0)"
CASE = "A, J, b, c = point_of(problem_of(case), 1, x, y)"
LARGEST, SMALLEST = "np.linalg.eigvalsh(A)[-1]", "np.linalg.eigvalsh(A)[0]"


def _answer(wrong: str) -> tuple[Edit, ...]:
    return (_edit(ANSWER, f"    return {wrong}\n\n\ndef from_arrays"),)


# the same line in two classes, told apart by the line after it
F_Y = (
    "        return gradients(self.X_val, self.labels_val, self.classes, y).mean(axis=0)\n\n    def g_x(self, x, y):\n"
)
LOGISTIC_F_Y, CLEANING_F_Y = F_Y + "        return", F_Y + "        p = softmax"
ARRAYS, PROBLEM = "arrays", "problem"

FAULTS = (
    Fault(
        "H01",
        "c = ∇_x f is left out",
        "hypergradient",
        "h = −J v; right where f does not depend on x directly",
        "only the implicit part of the chain rule is coded",
        "∇φ = ∇_x f − J A⁻¹∇_y f",
        _answer("-J @ v"),
        ARRAYS,
    ),
    Fault(
        "H02",
        "J v has the wrong sign",
        "hypergradient",
        "h = c + J v",
        "the minus of dy*/dx = −A⁻¹Jᵀ is lost, or put in twice",
        "h = c − J v",
        _answer("c + J @ v"),
        ARRAYS,
    ),
    Fault(
        "H03",
        "Jᵀ stands where J belongs",
        "hypergradient",
        "a shape error, or for n_x = n_y a wrong h; right where J is symmetric",
        "∇²_xy g is stored as n_y × n_x: the derivative of ∇_y g in x, not of ∇_x g in y",
        "J is n_x × n_y: (J v)_i = ∂/∂x_i (∇_y g · v)",
        _answer("c - J.T @ v"),
        ARRAYS,
    ),
    Fault(
        "H04",
        "the cross term of the mixed derivative is transposed",
        "hypergradient",
        "wrong on the synthetic problem only, by little",
        "the rank-one part of ∇²_xy g, −(y∘p)(x∘p)ᵀ, is formed as (x∘p)(y∘p)ᵀ",
        "rows belong to x, columns to y: check J against differences of ∇_y g in x",
        (_problem("np.outer(y * p, x * p)", "np.outer(x * p, y * p)"),),
        PROBLEM,
    ),
    Fault(
        "H05",
        "a zero hyper-gradient is returned when the solver fails",
        "hypergradient",
        "h = 0 unless fewer than n steps suffice, also where there is no answer",
        "the failure of the solve is hidden behind a default value",
        "say that it failed: raise, or return a status",
        _gives_up("len(b)"),
        ARRAYS,
        tuple(_gives_up(steps) for steps in ("2 * len(b)", "3 * len(b)", "10 * len(b)")),
    ),
    Fault(
        "H06",
        "the identity stands for A⁻¹",
        "hypergradient",
        "h = c − J b; right where A = I",
        "the linear solve is left out, as first-order methods do on purpose",
        "solve A v = b",
        (_edit(SOLVE, "v = b"),),
        ARRAYS,
    ),
    Fault(
        "H07",
        "the implicit part is left out",
        "hypergradient",
        "h = ∇_x f; right where ∇_y f = 0",
        "y* is treated as a constant: the graph was detached, or J is zero",
        "∇φ = ∇_x f − J A⁻¹∇_y f",
        _answer("c"),
        ARRAYS,
    ),
    Fault(
        "H08",
        "a truncated Neumann series is taken for the inverse",
        "hypergradient",
        "h is biased; the relative error of v along an eigenvector of A is (1 − λ/L)^Q",
        "Q terms of η Σ (I − ηA)^q b, η = 1/L; unrolled gradient descent gives the same",
        "a Krylov solve needs √κ steps where the series needs κ; iterate until the residual is small",
        _neumann(LARGEST, 10),
        ARRAYS,
        (
            *(_neumann(LARGEST, terms) for terms in (1, 2, 3, 5, 11, 20, 21, 50, 100)),
            *(_neumann(step, terms) for step in ("1.0", "2.0", "10.0", "100.0") for terms in (5, 10, 20, 50, 100)),
        ),
    ),
    Fault(
        "H09",
        "L and μ are exchanged: the step is 1/μ",
        "hypergradient",
        "numbers that grow with the number of terms, or NaN",
        "η = 1/μ where the series converges for η < 2/L only",
        "η = 1/L, L the largest eigenvalue of A",
        _neumann(SMALLEST, 10),
        ARRAYS,
        tuple(_neumann(SMALLEST, terms) for terms in (2, 3, 5, 20)),
    ),
    Fault(
        "H10",
        "v is never updated",
        "hypergradient",
        "h = c − J v_0, whatever A and b are",
        "the solver works on a copy, and the start is used",
        "use what the solver returns",
        (_edit(SOLVE, "v = v0"),),
        ARRAYS,
    ),
    Fault(
        "H11",
        "the product with J ignores v",
        "hypergradient",
        "h = c − J·1: the row sums of J",
        "∇_y g is summed and differentiated, instead of ∇_y g · v",
        "differentiate the scalar ∇_y g(x, y) · v, v held fixed, in x",
        (NUMPY, *_answer("c - J @ np.ones_like(v)")),
        ARRAYS,
    ),
    Fault(
        "H12",
        "−∇_y g is taken for the mixed derivative's product",
        "hypergradient",
        "h = c + ∇_y g: h = c at y = y*; a shape error for n_x ≠ n_y",
        "a first derivative stands where a second one belongs, and v plays no part",
        "J v = ∂/∂x (∇_y g(x, y) · v)",
        (
            _edit(
                CASE, "g_y = problem_of(case).g_y(x, y)\n    return problem_of(case).f_x(x, y) + g_y.reshape(x.shape)"
            ),
        ),
        PROBLEM,
    ),
    Fault(
        "H13",
        "the regularization is left out of A",
        "hypergradient",
        "v is too long; no answer where the data alone leave A singular",
        "the Hessian of the loss is formed, and its penalty forgotten",
        "A is the Hessian of all of g",
        (
            _problem(
                "return self.X.T @ self.X / len(self.t) + np.diag(np.exp(x))", "return self.X.T @ self.X / len(self.t)"
            ),
            _problem(
                "return hessian(self.X, weights, self.classes, y) + np.diag(self.penalty(x))",
                "return hessian(self.X, weights, self.classes, y)",
            ),
            _problem(" + 2 * self.c * np.eye(len(y))", ""),
            NUMPY,
            _edit(DIRECT, "return c - J @ np.linalg.solve(A, b)"),
        ),
        PROBLEM,
    ),
    Fault(
        "H14",
        "μ is squared: the penalty enters A as λ²",
        "hypergradient",
        "right where λ = 1 only",
        "one part of the code has λ, another its root, as with ½λ²‖y‖² and ½λ‖y‖²",
        "write the penalty once, and derive A, J and ∇_y g from it",
        (
            _problem(
                "return self.X.T @ self.X / len(self.t) + np.diag(np.exp(x))",
                "return self.X.T @ self.X / len(self.t) + np.diag(np.exp(x) ** 2)",
            ),
            _problem("self.classes, y) + np.diag(self.penalty(x))", "self.classes, y) + np.diag(self.penalty(x) ** 2)"),
            _problem("+ 2 * self.c * np.eye(len(y))", "+ (2 * self.c) ** 2 * np.eye(len(y))"),
        ),
        PROBLEM,
    ),
    Fault(
        "H15",
        "the factor 2 of the penalty is lost",
        "hypergradient",
        "half the shift of A: wrong where A has small eigenvalues",
        "c‖y‖² is differentiated as ½c‖y‖²",
        "c‖y‖² has the Hessian 2c I",
        (
            _problem("+ 2 * self.c * np.eye(len(y))", "+ self.c * np.eye(len(y))"),
            _problem(
                "return self.X.T @ self.X / len(self.t) + np.diag(np.exp(x))",
                "return self.X.T @ self.X / len(self.t) + 0.5 * np.diag(np.exp(x))",
            ),
            _problem(
                "self.classes, y) + np.diag(self.penalty(x))", "self.classes, y) + 0.5 * np.diag(self.penalty(x))"
            ),
        ),
        PROBLEM,
    ),
    Fault(
        "H16",
        "A is a sum over the samples, all else a mean",
        "hypergradient",
        "v is too short by about the number of samples",
        "the 1/n of the loss is missing in its Hessian",
        "one weight for the loss and all its derivatives",
        (
            _problem(
                "return self.X.T @ self.X / len(self.t) + np.diag(np.exp(x))",
                "return self.X.T @ self.X + np.diag(np.exp(x))",
            ),
            _problem("weights = np.full(len(self.X), 1 / len(self.X))", "weights = np.ones(len(self.X))"),
            _problem("hessian(self.X, sigmoid(x) / len(x),", "hessian(self.X, sigmoid(x),"),
        ),
        PROBLEM,
    ),
    Fault(
        "H17",
        "the chain rule through the parametrization is left out of J",
        "hypergradient",
        "right at x = 0 (exponential weights) only",
        "J is the derivative in the weight λ = exp(x) or σ(x), not in x",
        "∂/∂x = λ′(x)·∂/∂λ: the factor exp(x), or σ(x)σ(−x)",
        (
            _problem("return np.diag(np.exp(x) * y)", "return np.diag(y)"),
            _problem("for column in (self.penalty(x) * y)", "for column in (self.penalty(0 * x) * y)"),
            _problem("slope = sigmoid(x) * sigmoid(-x)  #", "slope = np.ones_like(x)  #"),
        ),
        PROBLEM,
    ),
    Fault(
        "H18",
        "the rank-one term of the softmax is left out of A",
        "hypergradient",
        "A is too large; wrong where there is a softmax, right elsewhere",
        "the Hessian of log Σ exp is taken for diag(p), as if the probabilities were independent",
        "∇² log Σ exp(t_i) = diag(p) − p pᵀ",
        (
            _problem("+ x**2 * p) - np.outer(x * p, x * p)", "+ x**2 * p)"),
            _problem("np.kron(np.diag(p) - np.outer(p, p), np.outer(z, z))", "np.kron(np.diag(p), np.outer(z, z))"),
        ),
        PROBLEM,
    ),
    Fault(
        "H19",
        "b is the gradient on training data",
        "hypergradient",
        "h is that of another upper level",
        "f is evaluated on the data of g",
        "b = ∇_y f with f on validation data",
        (
            _problem(
                "return self.X_val.T @ (self.X_val @ y - self.t_val) / len(self.t_val)",
                "return self.X.T @ (self.X @ y - self.t) / len(self.t)",
            ),
            _problem(LOGISTIC_F_Y, LOGISTIC_F_Y.replace("self.X_val, self.labels_val", "self.X, self.labels")),
            _problem(CLEANING_F_Y, CLEANING_F_Y.replace("self.X_val, self.labels_val", "self.X, self.labels")),
        ),
        PROBLEM,
    ),
    Fault(
        "H20",
        "A is evaluated at (x, v) instead of (x, y)",
        "hypergradient",
        "right where A does not depend on y",
        "v takes y's place in the call of the Hessian",
        "A = ∇²_yy g(x, y); v is what it is applied to",
        (_edit(CASE, CASE + '\n    A = problem_of(case).A(x, case["v0"])'),),
        PROBLEM,
    ),
    Fault(
        "H21",
        "J is evaluated at (x, v) instead of (x, y)",
        "hypergradient",
        "right where J does not depend on y",
        "v takes y's place in the call of the mixed derivative",
        "J = ∇²_xy g(x, y); v is what it is applied to",
        (_edit(CASE, CASE + '\n    J = problem_of(case).J(x, case["v0"])'),),
        PROBLEM,
    ),
    Fault(
        "H22",
        "the whole hyper-gradient has the wrong sign",
        "hypergradient",
        "h = J v − c",
        "the descent direction is returned",
        "h = c − J v is the gradient; step along −h",
        _answer("J @ v - c"),
        ARRAYS,
    ),
    Fault(
        "H23",
        "A⁻¹ is applied twice",
        "hypergradient",
        "h = c − J A⁻²b",
        "v is solved for, and the cross term is solved once more",
        "one solve: A v = b",
        (_edit(SOLVE, "v = conjugate_gradients(A, conjugate_gradients(A, b, v0), v0)"),),
        ARRAYS,
    ),
    Fault(
        "H24",
        "A takes the place of A⁻¹",
        "hypergradient",
        "h = c − J A b",
        "a product where a solve is meant",
        "solve A v = b",
        (_edit(SOLVE, "v = A @ b"),),
        ARRAYS,
    ),
    Fault(
        "H25",
        "the factor ½ of a square is lost in b",
        "hypergradient",
        "the implicit part is twice what it should be: h = c − 2J v",
        "f = ½‖·‖² is differentiated as ‖·‖²",
        "b = ∇_y f, checked against differences of f",
        _answer("c - 2 * (J @ v)"),
        ARRAYS,
    ),
    Fault(
        "H26",
        "the result is stored in float32",
        "hypergradient",
        "7 digits, all entries being float32 numbers",
        "one array of the wrong type at the end",
        "keep h in float64, or claim float32",
        (NUMPY, *_answer("(c - J @ v).astype(np.float32).astype(float)")),
        ARRAYS,
    ),
    Fault(
        "H27",
        "b is a sum over the validation samples, all else a mean",
        "hypergradient",
        "the implicit part is too large by the number of validation samples",
        "the 1/m of f is missing in its gradient",
        "one weight for f and all its derivatives",
        (
            _problem("(self.X_val @ y - self.t_val) / len(self.t_val)", "(self.X_val @ y - self.t_val)"),
            *(_problem(text, text.replace("mean(axis=0)", "sum(axis=0)")) for text in (LOGISTIC_F_Y, CLEANING_F_Y)),
        ),
        PROBLEM,
    ),
)
