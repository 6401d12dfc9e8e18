"""`py.typed` is a promise: public parameters have real types, and a type checker sees a wrong call."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from dataclasses import fields
from enum import Enum
from pathlib import Path

import pytest

import lancbio_ref
from lancbio_ref import hypergradient, krylov, methods, operators, problems
from lancbio_ref.divergence import Growth
from lancbio_ref.hypergradient import HyperGradientOptions, hypergradient_of
from lancbio_ref.methods import METHODS, MethodName, MethodOptions

ROOT = Path(__file__).parents[1]
MODULES = (lancbio_ref, problems, methods, operators, krylov)
NAMES = {name: getattr(module, name) for module in MODULES for name in module.__all__}
ALL = {name: thing for name, thing in NAMES.items() if inspect.isclass(thing) or inspect.isfunction(thing)}


def functions():
    """The public functions, constructors and methods, by the name a user writes."""
    for name, thing in ALL.items():
        if not inspect.isclass(thing):
            yield name, thing
        elif thing.__module__.startswith("lancbio_ref") and not issubclass(thing, (BaseException, Enum)):
            made_by = getattr(thing.__init__, "__module__", "")
            foreign = getattr(thing, "_is_protocol", False) or made_by.startswith("scipy")
            start = {} if foreign else {"__init__": thing.__init__}
            members = start | {k: v for k, v in vars(thing).items() if not k.startswith("_")}
            for member, function in members.items():
                if inspect.isfunction(function):
                    yield f"{name}.{member}", function


FUNCTIONS = dict(functions())


def parameters(function):
    """(name, type) of the parameters; forward references are looked up where a user's checker would."""
    known = {**vars(typing), **NAMES, **vars(sys.modules["lancbio_ref.problem"])}
    known["Figure"] = object  # matplotlib's, which need not be there
    known |= dict(
        HyperGradientOptions=HyperGradientOptions, S=methods.base.S, Sampler=methods.base.Sampler, Growth=Growth
    )
    hints = typing.get_type_hints(function, localns=known)
    return [(name, hints.get(name)) for name in inspect.signature(function).parameters if name != "self"]


def test_there_are_many():
    assert len(FUNCTIONS) > 90 and {"minimize", "Linearization.__init__", "HyperObjective.value"} <= set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_public_parameter_is_any(name):
    untyped = [p for p, kind in parameters(FUNCTIONS[name]) if kind in (None, typing.Any)]
    assert untyped == [], f"{name}: {untyped}"


def test_the_options_of_minimize_are_those_of_the_methods():
    assert typing.get_args(MethodName) == tuple(METHODS)
    assert set(MethodOptions.__annotations__) == {f.name for kind in METHODS.values() for f in fields(kind)}


def test_the_options_of_a_hypergradient_are_its_parameters():
    options = set(HyperGradientOptions.__annotations__)
    assert options == set(inspect.signature(hypergradient_of).parameters) - {"linearization", "lower"}
    assert options == set(inspect.signature(hypergradient).parameters) - {"problem", "x", "y", "lower_tol"}


WRONG = {
    'minimize(problem, x, x, metod="subbio")': "metod",
    'minimize(problem, x, x, method="newton")': "method",
    'minimize("ridge", x, x)': "minimize",
    "minimize(problem, x, x, step_x=[0.1])": "step_x",
    'hypergradient("ridge", x)': "hypergradient",
    'hypergradient(problem, x, inverse="inv")': "inverse",
    'hypergradient(problem, x, mu="certified")': "mu",
    "hypergradient(problem, x, rtl=1e-3)": "rtl",
    "point.hypergradient(rtl=1e-3)": "rtl",
    'point.hypergradient(maxiter="ten")': "maxiter",
    "lower_solution(problem, x)": "tol",
    'HyperObjective("ridge")': "HyperObjective",
    "Linearization(A, A, x)": "Linearization",
    'lanczos(A, x, "ten")': "lanczos",
    'lanczos(A, x, 3, reorthogonalization="Full")': "reorthogonalization",
    "problems.random_ridge(20, 10)": "random_ridge",
}
PROGRAM = """
import numpy as np
from lancbio_ref import *
A, x = np.eye(3), np.ones(3)
problem, point = problems.random_ridge(20, 10, 3, rng=0), Linearization(A, A, x, x)
"""


def test_a_type_checker_sees_every_wrong_call(tmp_path):
    pytest.importorskip("mypy", reason="the type checker is in the extra dev")
    first = PROGRAM.count("\n") + 1
    right = ["minimize(problem, x, x, step_x=0.1, step_y=0.1, subspace=2)", "hypergradient(problem, x, rtol=0.1)"]
    (tmp_path / "calls.py").write_text(PROGRAM + "\n".join([*WRONG, *right]) + "\n")
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--config-file", ROOT / "pyproject.toml"]
    run = subprocess.run([*command, tmp_path / "calls.py"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    found = {int(line.split(":")[1]): line for line in run.stdout.splitlines() if ": error:" in line}
    assert set(found) == set(range(first, first + len(WRONG))), run.stdout + run.stderr
    for line, word in zip(range(first, first + len(WRONG)), WRONG.values(), strict=True):
        assert word in found[line], found[line]
