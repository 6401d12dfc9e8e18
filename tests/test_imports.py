"""`import lancbio_ref` loads nothing, and gives everything."""

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import lancbio_ref

PACKAGE = Path(lancbio_ref.__file__).parent


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True)


def test_the_import_alone_loads_no_library():
    loaded = run("import lancbio_ref, sys; print(*sys.modules)").stdout.split()
    assert not {"numpy", "scipy", "numba", "lancbio_ref.hypergradient"} & set(loaded)


def test_a_hypergradient_loads_no_job_no_oracle_and_no_reader_of_files():
    loaded = run("from lancbio_ref import hypergradient; import sys; print(*sys.modules)").stdout.split()
    rooms = {name.split(".")[1] for name in loaded if name.startswith("lancbio_ref.")}
    assert "linearization" in rooms
    assert not {"oracle", "jobs", "datasets", "textbook", "plotting", "cli", "minimize", "methods"} & rooms
    assert "scipy.stats" not in loaded and "scipy.optimize" not in loaded


def test_a_candidate_needs_neither_a_compiler_nor_scipy():
    """The process that serves a callable, or the file of an exercise, starts in no time."""
    loaded = run("from lancbio_ref.oracle import serve, exercises; import sys; print(*sys.modules)").stdout.split()
    assert "lancbio_ref.textbook.lanczos" in loaded
    assert not {"numba", "scipy", "lancbio_ref.arguments", "lancbio_ref.oracle.vector"} & set(loaded)


def test_the_command_line_loads_no_statistics():
    loaded = run("import lancbio_ref.cli, sys; print(*sys.modules)").stdout.split()
    assert "lancbio_ref.jobs.cleaning" in loaded
    assert not {"scipy.stats", "scipy.optimize", "matplotlib", "sklearn"} & set(loaded)


@pytest.mark.parametrize("package, modules", [(lancbio_ref, {"methods", "problems"}), (lancbio_ref.oracle, set())])
def test_types_and_python_are_told_the_same(package, modules):
    tree = ast.parse(Path(package.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    typed = {name.name: node.module for node in block.body for name in node.names}
    assert {name for name, home in typed.items() if home is None} == modules
    assert {name: home for name, home in typed.items() if home} == package._HOME
    assert set(typed) == set(package.__all__) <= {*dir(package)}


def test_a_function_of_the_oracle_is_not_replaced_by_its_module():
    code = "import lancbio_ref.oracle.enclose; from lancbio_ref import oracle\n"
    code += "print(*[type(getattr(oracle, name)).__name__ for name in oracle.__all__])"
    assert {*run(code).stdout.split()} == {"function", "type"}


@pytest.mark.parametrize("name", lancbio_ref.__all__)
def test_every_public_name_is_there(name):
    value = getattr(lancbio_ref, name)
    assert isinstance(value, ModuleType) == (name in ("methods", "problems"))
    assert name in dir(lancbio_ref)


def test_a_function_is_not_replaced_by_its_module():
    """`hypergradient` and `minimize` have the names of their modules, which others import first."""
    printed = run(
        "import lancbio_ref.hyper_objective, lancbio_ref.minimize, lancbio_ref\n"
        "print(callable(lancbio_ref.hypergradient), callable(lancbio_ref.minimize))\n"
        "import lancbio_ref.minimize as m; from lancbio_ref.minimize import minimize; print(m is minimize)"
    ).stdout.split()
    assert printed == ["True", "True", "True"]


def test_modules_are_found_without_an_import_of_their_own():
    printed = run("import lancbio_ref; print(lancbio_ref.operators.DenseOperator.__name__)").stdout
    assert printed == "DenseOperator\n"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'hypergradients'"):
        _ = lancbio_ref.hypergradients
    with pytest.raises(ImportError):
        exec("from lancbio_ref import hypergradients")
