"""Every function on a page that an exercise, or the level that it is a part of, can check is checked by it."""

from __future__ import annotations

import ast
import types
from pathlib import Path

import numpy as np
import pytest

from lancbio_ref.oracle.candidates import CallableCandidate
from lancbio_ref.oracle.check import check
from lancbio_ref.oracle.exercises import EXERCISES
from lancbio_ref.oracle.report import text_report
from lancbio_ref.oracle.vector import vectors
from tests.docs.pages import CHAPTERS, DOCS, visible_source

GALLERY = sorted((DOCS / "gallery").glob("plot_*.py"))
SOLUTIONS = sorted((DOCS / "solutions").glob("chapter_*.py"))
ARGUMENTS = {"A", "product", "alpha", "X_train"}  # a function of one of these and of a second one of the next line
WITH = {"b", "q1", "beta", "y", "J"}
NAMES = {exercise.function for exercise in EXERCISES.values()}


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem[:10]}"


def definitions(path: Path) -> list[ast.FunctionDef]:
    source = visible_source(path) if path.suffix == ".md" else path.read_text(encoding="utf-8")
    return [node for node in ast.parse(source, path.name).body if isinstance(node, ast.FunctionDef)]


def functions(path: Path) -> dict[str, types.FunctionType]:
    """The functions of a page, what it imports and its constants, without anything that it computes."""
    source = visible_source(path) if path.suffix == ".md" else path.read_text(encoding="utf-8")
    namespace: dict[str, object] = {"__name__": "page"}
    for node in ast.parse(source, path.name).body:
        constant = isinstance(node, ast.Assign) and not any(
            isinstance(n, (ast.Call, ast.Name)) for n in ast.walk(node.value)
        )
        if constant or isinstance(node, (ast.FunctionDef, ast.Import, ast.ImportFrom)):
            try:
                exec(compile(ast.Module([node], []), path.name, "exec"), namespace)
            except NameError:  # of a default: not one of those that are checked
                assert isinstance(node, ast.FunctionDef)
    return {name: value for name, value in namespace.items() if isinstance(value, types.FunctionType)}


def bound(function, **names):
    """The function with other globals: on its page they are the data of the example."""
    return types.FunctionType(function.__code__, function.__globals__ | names, None, function.__defaults__)


def ridge_of(by_hand):
    def ridge_hypergradient(X_train, t_train, X_val, t_val, x, y):
        data = dict(X=X_train, t=t_train, X_val=X_val, t_val=t_val, n=len(t_train), m=len(t_val))
        return bound(by_hand, **data)(x, y)

    return ridge_hypergradient


def cg_of_product(cg):
    return lambda A, b, v0, steps: v0 + cg(lambda w: A @ w, b - A @ v0, steps)


def without_basis(lanczos):
    return lambda A, q1, k: (*lanczos(A, q1, k)[:3], "none")


def rows_of(iterates):
    """A trace of a given sequence: v is the page's, what surrounds it is c − J v."""

    def trace(case):
        A, J, b, c = (case["sequence"][name] for name in "AJbc")
        K, x, rows = case["iterations"], case["x0"], []
        for k, v in enumerate(iterates(case["options"]["subspace"], zip(A[:K], b[:K], strict=True), case["v0"])):
            h = c[k] - J[k] @ v
            x = x - case["options"].get("step_x", 0.0) * h
            rows.append(dict(k=k + 1, y=case["y0"], v=v, h=h, x_next=x))
        return dict(rows=rows)

    return trace


CHECKED = {  # page, function → exercise, what makes the function one of its signature
    ("chapters/01-hypergr", "by_hand"): ("ridge", ridge_of),
    ("chapters/03-five-wa", "neumann"): ("neumann", None),
    ("chapters/03-five-wa", "cg"): ("cg", None),
    ("chapters/04-lanczos", "my_lanczos"): ("lanczos", without_basis),
    ("chapters/07-subbio-", "subbio_step"): ("subbio-step", None),
    ("chapters/10-the-ora", "wrong_lanczos"): ("lanczos", lambda f: lambda A, q1, k: f(A, q1, k, passes=2)),
    ("solutions/chapter_02", "cg"): ("cg", cg_of_product),
    ("solutions/chapter_10", "lanczos"): ("lanczos", None),
}
CHECKED |= {
    (name_of(path), exercise.function): (exercise.name, None)
    for path in SOLUTIONS
    for exercise in EXERCISES.values()
    if f"def {exercise.signature}:" in path.read_text(encoding="utf-8")
}
ORDINARY = {"quadratic", "ridge", "logistic", "synthetic", "strakos"}
AT_A_LEVEL = {  # page, function → level, what makes it a candidate, the families that have what it is made for
    ("chapters/07-subbio-", "lancbio_iterates"): ("trace", rows_of, {"lancbio-sequence"}),
    ("chapters/10-the-ora", "direct"): ("solve", lambda f: f, None),
    ("chapters/10-the-ora", "conjugate_gradients"): ("solve", lambda f: lambda A, b, v: f(A, b, v, 1e-15), ORDINARY),
    ("solutions/chapter_05", "refine"): ("solve", lambda f: lambda A, b, v0: f(A, b, "full")[0], ORDINARY),
    ("solutions/chapter_10", "cg"): ("solve", lambda f: lambda A, b, v0: f(A, b, v0, 1e-15), ORDINARY),
    ("gallery/plot_05_ce", "exact_solution"): (
        "solve",
        lambda f: lambda A, b, v0: np.array([float(w) for w in f(A, b)]),
        {"quadratic"},
    ),
    ("gallery/plot_14_or", "conjugate_gradients"): ("solve", lambda f: f, {"quadratic"}),
}
ENDS_EARLY = {f"lancbio-sequence-0{k}" for k in (12, 13, 14, 17, 18)}  # breakdown, r = 0, a singular T, m > n
NOT_CHECKED = {  # page, function: why
    ("chapters/03-five-wa", "chebyshev"): "needs bounds of the spectrum, which no case gives",
    ("chapters/07-subbio-", "relative_residual"): "no solver",
    ("chapters/10-the-ora", "single"): "rounds to float32 on purpose; the page has it judged so",
    ("solutions/chapter_06", "gauss_radau"): "a bound; verify() compares it",
}


def page(name: str) -> Path:
    return next(path for path in (*CHAPTERS, *GALLERY, *SOLUTIONS) if name_of(path) == name)


def test_every_function_that_can_be_checked_is_known():
    known, found = CHECKED.keys() | AT_A_LEVEL.keys() | NOT_CHECKED.keys(), set()
    for path in (*CHAPTERS, *GALLERY, *SOLUTIONS):
        for node in definitions(path):
            arguments = {argument.arg for argument in node.args.args}
            if (arguments & ARGUMENTS and arguments & WITH) or node.name in NAMES:
                found.add((name_of(path), node.name))
    by_other_arguments = {("chapters/01-hypergr", "by_hand"), ("chapters/07-subbio-", "lancbio_iterates")}
    assert found | by_other_arguments == known


@pytest.mark.parametrize("place", CHECKED, ids="-".join)
def test_a_function_passes_its_exercise(place):
    name, adapt = CHECKED[place]
    exercise, function = EXERCISES[name], functions(page(place[0]))[place[1]]
    for level, candidate in exercise.candidates(adapt(function) if adapt else function).items():
        result = check(CallableCandidate(candidate), [level], exercise.select(vectors()), among=exercise.could_have)
        assert result.passed and result.count("undecided") == 0, text_report(result)


@pytest.mark.parametrize("place", AT_A_LEVEL, ids="-".join)
def test_a_function_passes_its_level(place):
    level, adapt, families = AT_A_LEVEL[place]
    chosen = [v for v in vectors() if level in v.levels and (families is None or v.family in families)]
    if families is not None:
        chosen = [v for v in chosen if v.result == "valid" and v.difficulty != "extreme"]
    if level == "trace":  # the page restarts every m iterations and at nothing else
        chosen = [v for v in chosen if isinstance(v.inputs["options"]["subspace"], int) and v.id not in ENDS_EARLY]
        assert len(chosen) >= 15
    result = check(CallableCandidate(adapt(functions(page(place[0]))[place[1]])), [level], chosen)
    assert result.passed, text_report(result)


def test_the_step_that_the_page_once_had_fails():
    """Two columns of a QR factorization, whether the two directions are independent or not."""

    def subbio_step(A, b, v, eta):
        S, _ = np.linalg.qr(np.column_stack([b, v - eta * A @ v]))
        return S @ np.linalg.solve(S.T @ A @ S, S.T @ b)

    exercise = EXERCISES["subbio-step"]
    candidate = CallableCandidate(exercise.candidates(subbio_step)["trace"])
    assert check(candidate, ["trace"], exercise.select(vectors())).count("failed") == 2
