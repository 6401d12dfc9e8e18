"""What the solvers of other packages say when things go wrong, asked of the packages themselves.

    .venv-bench/bin/python validation/peers.py      # `make bench` makes that environment

writes validation/peers.json, from which README's table is rendered (`python validation/peers.py --render` prints it).
What happens to a system, and who has outer loops, is the outcome of a program here, run with the versions named;
the rows on bounds and on derivatives are read off the interfaces. The solvers are those that compute hyper-gradients.
"""

from __future__ import annotations

import json
import pkgutil
import sys
import warnings
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
FACTS = HERE / "peers.json"
NAMES = {
    "lancbio_ref": "lancbio_ref",
    "scipy": "SciPy `cg`",
    "jaxopt": "jaxopt `solve_cg`",
    "lineax": "lineax `CG`",
    "torchopt": "torchopt `solve_cg`",
}
QUESTIONS = {
    "unfinished": "3 steps where hundreds are needed",
    "indefinite": "an indefinite A",
    "nan": "NaN in A",
    "bound": "a bound of the error of the answer",
    "methods": "LancBiO, SubBiO and other outer loops",
    "differentiates": "differentiates f and g for you",
}
n = 200


def system(kind: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    values = np.geomspace(1e-4, 1.0, n)
    if kind == "indefinite":
        values[::2] *= -1
    A = (Q * values) @ Q.T
    A = (A + A.T) / 2
    if kind == "nan":
        A[0, 0] = np.nan
    return A, rng.standard_normal(n)


def solve(package: str, A: np.ndarray, b: np.ndarray, steps: int) -> tuple[np.ndarray | None, str | None]:
    """The answer, and what was said that it is not one (None where nothing was)."""
    if package == "lancbio_ref":
        from lancbio_ref import Linearization

        point = Linearization(A, np.eye(n), b, np.zeros(n))
        found = point.hypergradient(rtol=1e-8, maxiter=steps)
        said = found.status.name
        return found.v, None if said in ("CONVERGED", "FLOOR") else said
    if package == "scipy":
        from scipy.sparse.linalg import cg

        v, info = cg(A, b, rtol=1e-8, maxiter=steps)
        return v, None if info == 0 else f"info = {info}" if info < 0 else "info > 0"
    if package == "torchopt":
        import torch
        from torchopt.linear_solve import solve_cg

        M, right = torch.tensor(A), torch.tensor(b)
        return solve_cg(rtol=1e-8, atol=0.0, maxiter=steps)(lambda v: M @ v, right).numpy(), None
    import jax

    jax.config.update("jax_enable_x64", True)
    M, right = jax.numpy.asarray(A), jax.numpy.asarray(b)
    if package == "jaxopt":
        from jaxopt.linear_solve import solve_cg

        return np.asarray(solve_cg(lambda v: M @ v, right, tol=1e-8, maxiter=steps)), None
    import lineax

    operator = lineax.MatrixLinearOperator(M, lineax.positive_semidefinite_tag)
    found = lineax.linear_solve(operator, right, lineax.CG(rtol=1e-8, atol=1e-12, max_steps=steps), throw=False)
    fine = bool(found.result == lineax.RESULTS.successful)
    return np.asarray(found.value), None if fine else "a result code"


def outcome(package: str, kind: str) -> str:
    """Words for what became of one system."""
    A, b = system(kind)
    try:
        v, said = solve(package, A, b, 3 if kind == "unfinished" else 10 * n)
    except Exception as error:
        return type(error).__name__
    if said is not None:
        return said
    if not np.isfinite(v).all():
        return "NaN, in silence"
    residual = np.linalg.norm(np.nan_to_num(A) @ v - b) / np.linalg.norm(b)
    return "a right answer, in silence" if residual <= 1e-6 else "a wrong answer, in silence"


def has_methods(package: str) -> str:
    """Whether a module or a name of the package is that of one of the field's outer loops."""
    wanted = ("lancbio", "subbio", "soba", "stocbio", "amigo", "ttsa", "f2sa", "bilevel")
    found = import_module(package)
    names = [info.name for info in pkgutil.walk_packages(found.__path__, package + ".", onerror=lambda name: None)]
    names += dir(found)
    return "yes" if any(word in name.lower() for name in names for word in wanted) else "no"


def ask() -> dict:
    facts = {}
    for package in NAMES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            facts[package] = dict(
                version=version(package),
                unfinished=outcome(package, "unfinished"),
                indefinite=outcome(package, "indefinite"),
                nan=outcome(package, "nan"),
                bound="yes, certified" if package == "lancbio_ref" else "no",
                methods=has_methods(package),
                differentiates={"lancbio_ref": "through JAX or PyTorch", "scipy": "no"}.get(package, "yes"),
            )
            print(package, facts[package], flush=True)
    return facts


def render(facts: dict) -> str:
    """The table of README."""
    packages = list(facts)
    head = "| | " + " | ".join(f"{NAMES[p]} {facts[p]['version']}" for p in packages) + " |"
    rows = [f"| {text} | " + " | ".join(facts[p][key] for p in packages) + " |" for key, text in QUESTIONS.items()]
    return "\n".join([head, "|---" * (len(packages) + 1) + "|", *rows])


def main() -> int:
    if sys.argv[1:] != ["--render"]:
        FACTS.write_text(json.dumps(ask(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(render(json.loads(FACTS.read_text(encoding="utf-8"))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
