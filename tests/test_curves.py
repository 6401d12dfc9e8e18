"""A run as a figure: what is drawn is the trace, and what it has not recorded is asked for by name."""

import builtins

import numpy as np
import pytest

from lancbio_ref import ArgumentError, Trace, minimize, problems

pytest.importorskip("matplotlib")
PROBLEM, ZERO = problems.random_ridge(20, 10, 5, rng=0), np.zeros(5)
STEPS = dict(step_x=0.1, step_y=0.1)


@pytest.fixture(scope="module")
def run():
    return minimize(PROBLEM, ZERO, ZERO, maxiter=12, diagnostics_every=4, check=True, trace=("x",), **STEPS)


def drawn(axes):
    return np.array(axes.lines[0].get_xydata())


def test_every_quantity_is_drawn_against_iterations_products_and_time(run):
    figure = run.plot()
    axes = np.reshape(figure.axes, (4, 3))
    for j, abscissa in enumerate(("k", "n_hvp", "seconds")):
        np.testing.assert_array_equal(drawn(axes[0, j]), np.c_[run.trace[abscissa], run.trace["h_norm"]])
        for i, name in enumerate(("fun", "residual", "lower_grad_norm"), 1):
            every = run.trace[abscissa][3::4]
            np.testing.assert_array_equal(drawn(axes[i, j]), np.c_[every, run.trace.diagnostics[name]])
    assert figure._suptitle.get_text() == "COMPLETED, 12 iterations"
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_the_certified_norm_is_marked_where_the_run_was_checked(run):
    mark = run.plot(["h_norm"], ["k"]).axes[0].containers[0].lines[0].get_xydata()
    np.testing.assert_array_equal(mark, [[12, run.check.norm]])
    assert not run.trace.plot(["h_norm"], ["k"]).axes[0].containers


def test_a_method_without_products_is_drawn_against_gradients():
    result = minimize(PROBLEM, ZERO, ZERO, maxiter=3, method="f2sa", **STEPS)
    assert [axes.get_xlabel() for axes in result.plot().axes][1] == r"gradients $\nabla_y g$"


@pytest.mark.parametrize(
    "given, argument, words",
    [
        (dict(quantities=["fun"]), "quantities", "diagnostics_every"),
        (dict(quantities=["x"]), "quantities", "h_norm"),
        (dict(against=["n_cross"]), "against", "seconds"),
    ],
)
def test_what_is_not_there_is_said(run, given, argument, words):
    without = minimize(PROBLEM, ZERO, ZERO, maxiter=3, trace=("x",), **STEPS)
    with pytest.raises(ArgumentError, match=words) as caught:
        without.plot(**given)
    assert caught.value.argument == argument
    with pytest.raises(ArgumentError, match="an iteration at least"):
        Trace(("k", "h_norm")).plot()


def test_without_matplotlib_the_extra_is_named(run, monkeypatch):
    real = builtins.__import__

    def absent(name, *arguments, **options):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        run.plot()


def test_a_run_that_is_gone_on_from_keeps_its_numbering(run):
    more = minimize(PROBLEM, state=run.state, maxiter=4, diagnostics_every=4, **STEPS)
    np.testing.assert_array_equal(drawn(more.plot(["fun"], ["k"]).axes[0])[:, 0], [16])
