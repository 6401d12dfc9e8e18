"""Options that do not exist: the message lists those that do."""

import pytest

from lancbio_ref import (
    ArgumentError,
    LancBiO,
    LanczosProcess,
    SubBiO,
    hypergradient,
    lanczos,
    lanczos_solve,
    methods,
    minimize,
)
from tests.pathologies.faulty import METHODS, MODES, X0, Y0, A, B, point, problem, run

VALID = {
    "lancbio": ("step_x", "step_y", "inner_steps", "subspace", "reorthogonalization"),
    "subbio": ("step_x", "step_y", "step_v", "inner_steps"),
}


@pytest.mark.parametrize("wrong", ["stepx", "step_z", "m", "lambda_"])
@pytest.mark.parametrize("method", METHODS)
def test_option_of_a_method(method, wrong):
    with pytest.raises(ArgumentError) as caught:
        run(None, method, **{wrong: 1.0})
    assert (caught.value.argument, caught.value.found) == ("options", wrong)
    assert caught.value.expected == f"options of {method!r}: " + ", ".join(VALID[method])


def test_several_are_all_named():
    with pytest.raises(ArgumentError, match="found one, two"):
        run(one=1, two=2)


@pytest.mark.parametrize("method", METHODS)
def test_missing_steps_are_chosen_and_an_unknown_word_is_none(method):
    assert set(minimize(problem(), X0, Y0, method=method, maxiter=1).steps) >= {"step_x", "step_y"}
    with pytest.raises(ArgumentError, match="step_x: found 'automatic'"):
        minimize(problem(), X0, Y0, method=method, step_x="automatic")


@pytest.mark.parametrize("wrong", ["LancBiO", "newton", "", None, 3, LancBiO], ids=str)
def test_method(wrong):
    with pytest.raises(ArgumentError) as caught:
        minimize(problem(), X0, Y0, method=wrong)
    assert caught.value.argument == "method"
    if isinstance(wrong, str):
        assert caught.value.expected == "one of " + ", ".join(map(repr, methods.names()))


def test_options_beside_a_method_object():
    with pytest.raises(ArgumentError, match="step_x, expected none beside a method object"):
        minimize(problem(), X0, Y0, method=SubBiO(0.1, 0.1, 0.1), step_x=0.2)


@pytest.mark.parametrize("wrong", ["Full", "half", "", None, 1], ids=str)
@pytest.mark.parametrize("entry", ["lanczos", "LanczosProcess", "lanczos_solve", "hypergradient", "minimize"])
def test_reorthogonalization(entry, wrong):
    calls = {
        "lanczos": lambda: lanczos(A, B, 3, reorthogonalization=wrong),
        "LanczosProcess": lambda: LanczosProcess(B, reorthogonalization=wrong),
        "lanczos_solve": lambda: lanczos_solve(A, B, reorthogonalization=wrong),
        "hypergradient": lambda: point().hypergradient(reorthogonalization="Full" if wrong is None else wrong),
        "minimize": lambda: run(reorthogonalization=wrong),
    }
    with pytest.raises(ArgumentError) as caught:
        calls[entry]()
    assert caught.value.argument == "reorthogonalization"
    for mode in ("none", "local", "full") if entry == "minimize" else MODES:
        assert repr(mode) in caught.value.expected


@pytest.mark.parametrize("mode", ["selective", "partial"])
def test_semiorthogonality_of_a_moving_operator_is_refused_with_the_reason(mode):
    for call in (lambda: run(reorthogonalization=mode), lambda: LancBiO(0.1, 0.1, reorthogonalization=mode)):
        with pytest.raises(ArgumentError, match="presuppose one fixed operator, and here A moves"):
            call()


@pytest.mark.parametrize("wrong", ["newton", "LANCZOS", None, 3, ("cg",)], ids=str)
def test_inverse(wrong):
    for call in (lambda: point().hypergradient(inverse=wrong), lambda: hypergradient(problem(), X0, Y0, inverse=wrong)):
        with pytest.raises(ArgumentError) as caught:
            call()
        assert caught.value.argument == "inverse"
        assert "'lanczos', 'exact', 'cg', 'neumann'" in caught.value.expected


@pytest.mark.parametrize("inverse", ["exact", "cg", "neumann"])
def test_reorthogonalization_of_an_inverse_that_has_none(inverse):
    with pytest.raises(ArgumentError, match="expected None unless inverse='lanczos'"):
        point().hypergradient(inverse=inverse, reorthogonalization="full")


@pytest.mark.parametrize("wrong", ["certified", "Certify", ""])
def test_word_for_mu(wrong):
    with pytest.raises(ArgumentError, match="'certify' or 'estimate'"):
        point().hypergradient(mu=wrong)


def test_option_of_a_linearizations_hypergradient():
    with pytest.raises(ArgumentError) as caught:
        point().hypergradient(rtl=1e-3)
    assert caught.value.found == "rtl"
    assert "inverse, rtol, maxiter, mu, v0, reorthogonalization" in caught.value.expected


def test_start_of_lanczos_solve():
    with pytest.raises(ArgumentError, match="x0: found 'mb', expected one of 'Mb'"):
        lanczos_solve(A, B, "mb")


def test_store_without_a_basis_that_needs_one():
    for mode in ("full", "selective", "partial"):
        with pytest.raises(ArgumentError, match=r"store: found False, expected True"):
            LanczosProcess(B, reorthogonalization=mode, store=False)
