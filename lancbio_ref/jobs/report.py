"""What a run says at the end: why it stopped, what it used, how far its last hyper-gradient can be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .. import __version__
from ..final_check import FinalCheck
from ..result import BilevelResult
from ..rounding import norm2
from ..status import SolveStatus
from .settings import CLEANING, Settings

FITS = {
    "before": "corrupted labels, equal weights (before)",
    "validation_only": "validation data only",
    "true_labels": "true labels, equal weights (ceiling)",
    "after_cleaning": "corrupted labels, weights learned (after cleaning)",
}


def describe_run(settings: Settings, result: BilevelResult) -> dict[str, Any]:
    """Settings, outcome and counts of a run, for the JSON file and the report."""
    about = dict(
        version=__version__,
        settings=describe_settings(settings),
        status=result.status.name,
        message=result.message,
        remedy=result.status.remedy,
        iterations=result.nit,
        loss=result.fun,
        h_norm=None if result.hypergradient is None else norm2(result.hypergradient),
        counts={name: getattr(result, name) for name in ("n_hvp", "n_cross", "n_grad", "n_grad_upper")},
        seconds=float(result.trace["seconds"][-1]) if result.nit else 0.0,
    )
    return about if result.check is None else about | dict(hypergradient=describe_check(result.check))


def describe_check(check: FinalCheck) -> dict[str, Any]:
    """The run's last hyper-gradient h_K against a certified one at the same x, for the JSON file and the report.

    ‖h_K − ∇φ(x_K)‖ ≤ ‖h_K − ĥ‖ + error bound + lower-level bound.
    """
    about: dict[str, Any] = dict(
        verdict=check.verdict.name,
        verdict_message=check.message,
        last_step_gap=check.distance,
        last_step_error=check.distance + check.bound,
        n_hvp=check.n_hvp,
        n_grad=check.n_grad,
    )
    if check.lower is not None:
        about |= dict(lower_status=check.lower.status.name, lower_grad_norm=check.lower.grad_norm)
    if (found := check.hypergradient) is not None:
        about |= dict(
            norm=check.norm,
            error_bound=found.error_bound,
            error_status=str(found.certificate.error),
            lower_level_bound=found.lower_level_bound,
            lower_level_status=str(found.certificate.lower_level),
            condition_estimate=found.condition_estimate,
            status=found.status.name,
            certificate=str(found.certificate),
        )
    return about


def describe_settings(settings: Settings) -> dict[str, Any]:
    """The settings of one run, for the JSON file and the report."""
    ((seed, name),) = settings.runs()
    run = settings.run_settings(seed, name)
    about = dict(job=settings.problem, method=name, method_options=run["options"])
    about |= {key: run[key] for key in ("maxiter", "seed", "every", "tol")}
    return about | (dict(data_dir=None, train=None) if settings.problem in CLEANING else {}) | settings.given


def run_report(summary: Mapping[str, Any], files: Sequence[str]) -> str:
    """The report of a run; of data cleaning with all four accuracies, whichever is the best."""
    settings, cleaning = summary["settings"], "sizes" in summary
    what = "hyper-data cleaning" if cleaning else "the synthetic problem"
    lines = [
        f"lancbio-ref {summary['version']}: {what}, {settings['job']}, {settings['method']}",
        "",
        *(_data(summary) if cleaning else _problem(settings)),
        *_settings(settings),
        "",
        *_outcome(summary),
        *(_fits(summary) if cleaning else ()),
        *_certificate(summary),
        "",
        *("  " + line for line in files),
    ]
    return "\n".join(lines)


def _problem(settings: Mapping[str, Any]) -> list[str]:
    size = f"n_x = n_y = {settings['n']}, condition of G {settings['condition']:g}"
    return [_row("problem", f"{size}, seed {settings['seed']}")]


def _data(summary: Mapping[str, Any]) -> list[str]:
    sizes = summary["sizes"]
    size = (
        f"{sizes['train']} training ({sizes['corrupted']} labels corrupted), {sizes['validation']} validation, "
        f"{sizes['test']} test; {sizes['features']} features and a bias"
    )
    return [_row("data", summary["origin"]), _row("", size)]


def _fits(summary: Mapping[str, Any]) -> list[str]:
    lines = ["  test accuracies: not computed, the run was interrupted"]
    if "fits" in summary:
        lines = [
            "  test accuracy; each lower level solved to the ||grad_y g|| beside it; equal weights are sigma(0) = 1/2"
        ]
        lines += [
            f"    {title:<50} {fit['test_accuracy']:.4f}   {fit['lower_grad_norm']:.1e}{_unsolved(fit['lower_status'])}"
            for title, fit in ((FITS[name], fit) for name, fit in summary["fits"].items())
        ]
    return ["", *lines, _row("AUC", f"{summary['auc']:.4f}  of sigma(x_i): clean above corrupted, ties half")]


def _settings(settings: Mapping[str, Any]) -> list[str]:
    options = {
        name: f"{value:g}" if isinstance(value, (int, float)) else value
        for name, value in settings["method_options"].items()
    }
    if isinstance(schedule := options.get("subspace"), dict):
        options["subspace"] = "{initial} to {maximum}, times {growth:g} every {every}".format(**schedule)
    method = ", ".join(f"{name} {value}" for name, value in options.items())
    run = {
        name: settings[name] for name in ("maxiter", "tol", "seed", "corruption", "regularization") if name in settings
    }
    return [_row("settings", method), _row("", ", ".join(f"{name} {value:g}" for name, value in run.items()))]


def _outcome(summary: Mapping[str, Any]) -> list[str]:
    counts = summary["counts"]
    norm = "none" if summary["h_norm"] is None else f"{summary['h_norm']:.4e}"
    return [
        _row("stopped", summary["message"]),
        *([_row("", summary["remedy"])] if summary["remedy"] else []),
        _row("last iterate", f"loss {summary['loss']:.6g}, ||h|| {norm}"),
        _row(
            "used",
            f"{counts['n_hvp']} Hessian and {counts['n_cross']} cross products, {counts['n_grad']} gradients of g, "
            f"{counts['n_grad_upper']} of f, {summary['seconds']:.1f} s",
        ),
    ]


def _certificate(summary: Mapping[str, Any]) -> list[str]:
    if "hypergradient" not in summary:
        return []
    found = summary["hypergradient"]
    verdict = _row("check", f"{found['verdict']}: {found['verdict_message']}")
    if "norm" not in found:
        return ["", verdict]
    lower = f"<= {found['lower_level_bound']:.2e} ({found['lower_level_status']}) from the lower level"
    last = f"the run's own h_K is {found['last_step_gap']:.2e} away from it"
    if math.isfinite(found["lower_level_bound"]):
        last += f", {found['last_step_error']:.2e} at most from the true one"
    else:
        lower = "no bound from the lower level: the problem has no Lipschitz constants that hold for every x"
    return [
        "",
        verdict,
        _row("hyper-gradient", f"at the last x: norm {found['norm']:.4e}, {found['status']}"),
        _row("  its error", f"<= {found['error_bound']:.2e} ({found['error_status']}) in the linear algebra,"),
        _row("", lower),
        _row("  last step", last),
        _row("condition", f"of the Hessian at least {found['condition_estimate']:.3g}"),
        _row("certificate", found["certificate"]),
    ]


def _unsolved(status: str) -> str:
    """What a lower level's status adds to its line: nothing where it was solved."""
    return "" if SolveStatus[status].success else f"   {status}: {SolveStatus[status].remedy}"


def _row(name: str, text: str) -> str:
    return f"  {name:<15}{text}"
