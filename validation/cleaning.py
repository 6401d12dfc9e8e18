"""Hyper-data cleaning on MNIST, Fashion-MNIST and Kuzushiji-MNIST at the paper's steps, and STABLE on the digits.

By default the 28 × 28 images are made 14 × 14 by sums of 2 × 2 pixels over 2 (an orthonormal average, so that norms
and with them the right step lengths stay what they are); 5000 + 5000 samples and all steps are the paper's, K is far
below its 3000. ``--full`` takes the images as they are and the paper's K. The accuracy that the paper plots is that of
the iterate y_k; beside it stands that of the weights x_K with the lower level solved, which no lag of y_k can hide.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from chaos import chaotic, notes, repeated
from common import (
    CAVEAT,
    DATA,
    FAILS,
    HOLDS,
    METHODS,
    Task,
    Verdict,
    by_method,
    drawn,
    in_parallel,
    last,
    table,
)
from scipy.linalg import eigh_tridiagonal

from lancbio_ref import lanczos, lower_solution
from lancbio_ref.datasets.pixels import PIXELS
from lancbio_ref.jobs.instance import Instance, load_samples, make_instance
from lancbio_ref.jobs.options import make_settings
from lancbio_ref.jobs.settings import OWN_STEP_X
from lancbio_ref.plotting import comparison_figure
from lancbio_ref.problems import data_cleaning

NAME, TITLE = "cleaning", "Hyper-data cleaning"
SETS = ("mnist", "fashion-mnist", "kmnist")
PARTS = {
    "deterministic, 0.5": dict(corruption=0.5),
    "deterministic, 0.8": dict(corruption=0.8),
    "stochastic, 0.5": dict(corruption=0.5, train=20_000, batch_size="256"),
}
TWICE = ("soba", "hjfbio")  # single loops: twice as many iterations, as in the paper
LOWER_TOL = 1e-4
DIGITS = 600  # training samples

Runs = dict[str, list[dict[str, Any]]]


def missing_data() -> str:
    absent = [name for name in SETS if not (DATA / name).is_dir()]
    return f"no {', '.join(absent)} in the data folder" if absent else ""


def measure(full: bool) -> dict[str, Any]:
    """K = 150 deterministic, 480 stochastic, 1000 once; 3000 with ``--full``. Seed 1. Digits: all methods, K = 60."""
    make = make_instance if full else pooled_instance
    found: dict[str, Any] = dict(pixels=28 if full else 14, parts={}, repeats={}, references={}, maxiter={})
    found |= dict(digits={}, digits_repeats={})
    for part, given in PARTS.items():
        stochastic = "batch_size" in given
        maxiter = 3000 if full else 480 if stochastic else 150
        halve = maxiter // 6 if stochastic else None  # the paper: 500 of 3000
        found["maxiter"][part] = maxiter
        for name in SETS:
            options = given | dict(data_dir=str(DATA), maxiter=maxiter, every=maxiter // 30, halve_from=halve)
            tasks = [
                Task(
                    name, m, 1, tuple(options.items()), overrides(m, maxiter, stochastic), make=make, finish=with_solved
                )
                for m in METHODS
            ]
            key = f"{name}, {part}"
            runs, found["repeats"][key] = repeated(tasks, longest_sum(part), NAME, key)
            found["parts"][key] = by_method(runs)
    found["references"] = dict(in_parallel(reference, [(n, c, full) for n in SETS for c in (0.5, 0.8)], "references"))
    maxiter = 300 if full else 60
    for corruption in (0.5, 0.8):
        options = dict(corruption=corruption, maxiter=maxiter, every=maxiter // 30)
        tasks = [Task("digits", m, 1, tuple(options.items()), finish=with_solved) for m in (*METHODS, "stable")]
        runs, found["digits_repeats"][str(corruption)] = repeated(tasks, DIGITS, NAME, f"digits, {corruption}")
        found["digits"][str(corruption)] = by_method(runs)
    found["maxiter"]["digits"] = maxiter
    if not full:
        found["long"] = longer()
    return found


def longest_sum(part: str) -> int:
    """Training samples: no sum in a gradient or a product is longer."""
    return PARTS[part].get("train", 5000)


def longer() -> dict[str, Any]:
    """MNIST, half of the labels wrong, K = 1000: whether what holds at K = 150 goes on to hold."""
    options = tuple(dict(corruption=0.5, data_dir=str(DATA), maxiter=1000, every=25).items())
    tasks = [
        Task("mnist", m, 1, options, overrides(m, 1000, False), make=pooled_instance, finish=with_solved)
        for m in METHODS
    ]
    runs, repeats = repeated(tasks, longest_sum("deterministic, 0.5"), NAME, "mnist, deterministic, 0.5, longer")
    return dict(maxiter=1000, methods=by_method(runs), repeats=repeats)


def overrides(method: str, maxiter: int, stochastic: bool) -> tuple[str, ...]:
    """What the paper sets for one method; λ = 500 (stochastic: 100) and θ = 0.1 are the defaults of `compare`."""
    made = [f"{method}.maxiter={2 * maxiter}"] if method in TWICE else []
    return (*made, "soba.batch_size=128") if stochastic and method == "soba" else tuple(made)


def pooled(images: np.ndarray) -> np.ndarray:
    """Standardized 28 × 28 images as 14 × 14: sums of 2 × 2 pixels, halved."""
    return images.reshape(len(images), 14, 2, 14, 2).sum(axis=(2, 4)).reshape(len(images), -1) / 2


def pooled_instance(comparison: Any, seed: int) -> Instance:
    s = load_samples(comparison.problem, comparison.given, seed)
    problem = data_cleaning(pooled(s.X_train), s.noisy, pooled(s.X_val), s.labels_val, regularization=0.01)
    return Instance(problem, *problem.initial_point(seed), (pooled(s.X_test), s.labels_test))


def with_solved(instance: Instance, x: np.ndarray, y: np.ndarray, v: np.ndarray) -> dict[str, Any]:
    """Test accuracy at x_K with the lower level solved."""
    assert instance.test is not None
    return dict(
        solved=instance.problem.accuracy(lower_solution(instance.problem, x, y, tol=LOWER_TOL).y, *instance.test)
    )


def reference(task: tuple[str, float, bool]) -> tuple[str, dict[str, float]]:
    """Test accuracies without cleaning: noisy labels with equal weights, validation data only, true labels.

    And the smaller 2/λ_max(A) of y = 0 and the solution, at equal weights: θ must stay below for the steps to contract.
    """
    name, corruption, full = task
    s = load_samples(name, make_settings(name, dict(corruption=corruption, data_dir=str(DATA))).given, 1)
    train, val, test = (X if full else pooled(X) for X in (s.X_train, s.X_val, s.X_test))
    found = {}
    for what, X, labels in (("noisy", train, s.noisy), ("validation", val, s.labels_val), ("true", train, s.true)):
        problem = data_cleaning(X, labels, val, s.labels_val, regularization=0.01)
        y = lower_solution(problem, np.zeros(problem.n_x), tol=LOWER_TOL).y
        found[what] = problem.accuracy(y, test, s.labels_test)
        if what == "noisy":
            found["longest_step"] = min(2 / largest_eigenvalue(problem, point) for point in (np.zeros_like(y), y))
    return f"{name}, {corruption}", found


def largest_eigenvalue(problem: Any, y: np.ndarray) -> float:
    """λ_max of A at x = 0, as the largest Ritz value of 40 Lanczos steps: from below."""
    start = np.random.default_rng(0).standard_normal(y.size)
    process = lanczos(problem.hessian(np.zeros(problem.n_x), y), start, 40)
    return float(eigh_tridiagonal(process.alpha, process.beta[:-1], eigvals_only=True)[-1])


def of_methods(runs: Runs, column: str, worst: float) -> dict[str, float]:
    """The last entry of each method; `worst` where it failed, so that it ranks behind all that did not."""
    ends = {m: last(mine, column) for m, mine in runs.items()}
    return {m: float(values[0]) if values.size else worst for m, values in ends.items()}


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    parts = list(found["parts"])
    made = []
    for method in ("lancbio", "subbio"):
        ahead, lines = 0, []
        for part in parts:
            solved = of_methods(found["parts"][part], "solved", 0.0)
            rank = sorted(solved, key=solved.__getitem__, reverse=True).index(method) + 1
            ahead += solved[method] >= max(solved.values()) - 0.002
            lines.append(f"{part} {rank}")
        made.append(
            Verdict(
                f"{method} learns weights at least as good (test accuracy, lower level solved, 0.2 points allowed) as"
                " every other method at equal outer iterations",
                HOLDS if ahead == len(parts) else CAVEAT if ahead >= len(parts) / 2 else FAILS,
                f"in {ahead} of {len(parts)} experiments; rank of {len(METHODS)}: " + "; ".join(lines),
            )
        )
    smallest, shown = 0, []
    for part in parts:
        solving = {m: runs for m, runs in found["parts"][part].items() if m != "f2sa"}
        residual = of_methods(solving, "residual", np.inf)
        best = min(residual, key=residual.__getitem__)
        smallest += best in ("lancbio", "subbio")
        shown.append(
            f"{part}: {best} {residual[best]:.1e}, lancbio {residual['lancbio']:.1e}, subbio {residual['subbio']:.1e}"
        )
    made.append(
        Verdict(
            "LancBiO or SubBiO ends with the smallest residual ‖A_k v_k − b_k‖",
            HOLDS if smallest == len(parts) else CAVEAT if smallest >= len(parts) / 2 else FAILS,
            f"in {smallest} of {len(parts)} experiments; products an iteration: amigo-cg 6, subbio 3, lancbio 1 + 1/m. "
            + "; ".join(shown)
            + ". Where lancbio's is huge on mini-batches, the section on them has the cause",
        )
    )
    odd = {
        part: chaotic(found["parts"][part], found["repeats"][part], longest_sum(part.partition(", ")[2]))
        for part in parts
    }
    count, again = sum(map(len, odd.values())), sum(map(len, found["repeats"].values()))
    made.append(
        Verdict(
            "One rounding in y_0 and v_0 changes no row by more than roundings explain",
            FAILS if count else HOLDS,
            f"of {len(parts) * len(METHODS)} rows {again} were repeated and {count} are chaotic"
            + "".join(f"; {part}: {', '.join(mine)}" for part, mine in odd.items() if mine)
            + ". What the verdicts above say of these rows, their ranks too, could have come out otherwise"
            * (count > 0),
        )
    )
    steps = {name: found["references"][f"{name}, 0.5"]["longest_step"] for name in SETS}
    unstable = [name for name, step in steps.items() if step < 0.1]
    made.append(
        Verdict(
            "The published inner step θ = 0.1 is short enough on all three sets",
            HOLDS if not unstable else FAILS,
            "2/λ_max(A) at x = 0 is at most "
            + ", ".join(f"{step:.3f} ({name})" for name, step in steps.items())
            + "; a longer step lets y grow along the steepest directions, all the more where weights go from ½ to 1"
            + (f". What fails on {', '.join(unstable)} below fails by this" if unstable else ""),
        )
    )
    if "long" in found:
        solved = of_methods(found["long"]["methods"], "solved", 0.0)
        rank = sorted(solved, key=solved.__getitem__, reverse=True)
        made.append(
            Verdict(
                f"MNIST, 0.5, K = {found['long']['maxiter']}: LancBiO or SubBiO learns the best weights",
                HOLDS if rank[0] in ("lancbio", "subbio") else FAILS,
                "test accuracy, lower level solved: " + ", ".join(f"{m} {100 * solved[m]:.2f}" for m in rank),
            )
        )
    cleaned = {
        part: of_methods(found["parts"][part], "solved", 0.0)["lancbio"] for part in parts if "deterministic" in part
    }
    without = {part: found["references"][part.replace(" deterministic,", "")] for part in cleaned}
    gains = {part: accuracy - without[part]["noisy"] for part, accuracy in cleaned.items()}
    made.append(
        Verdict(
            "Cleaning with LancBiO beats training on the noisy labels",
            HOLDS if min(gains.values()) > 0 else FAILS,
            "test accuracy gained, in points: "
            + "; ".join(f"{part} {100 * gain:+.1f}" for part, gain in gains.items()),
        )
    )
    beaten = [part for part, accuracy in cleaned.items() if accuracy > without[part]["validation"]]
    made.append(
        Verdict(
            "Cleaning with LancBiO beats training on the clean validation data alone",
            HOLDS if len(beaten) == len(cleaned) else CAVEAT if beaten else FAILS,
            f"in {len(beaten)} of {len(cleaned)} experiments. The paper does not make this comparison; whoever has 5000"
            " clean labels should. Where K is small the weights are still moving",
        )
    )
    return made


def row(name: str, runs: list[dict[str, Any]], odd: bool = False) -> list[str]:
    """A row of a table; `odd` where its run is chaotic."""
    one, title = runs[0], f"{name} *chaotic*" if odd else name
    if one["outcome"] == "FAILED":
        return [title, "failed", *["–"] * 8]
    residual = "–" if name == "f2sa" else f"{one['residual'][-1]:.1e}"
    accuracies = [f"{100 * one['test_accuracy'][-1]:.2f}", f"{100 * one['solved']:.2f}"]
    counts = [one["n_hvp"][-1], one["n_grad"][-1], f"{one['seconds'][-1]:.1f}"]
    return [
        title,
        *accuracies,
        f"{one['loss'][-1]:.4f}",
        residual,
        f"{one['h_norm'][-1]:.1e}",
        *map(str, counts),
        str(one["recorded_k"][-1]),
    ]


def references_line(reference: dict[str, float]) -> str:
    shown = ((what, 100 * reference[key]) for what, key in WITHOUT.items())
    return "Without cleaning, lower level solved: " + ", ".join(f"{what} {value:.2f}" for what, value in shown) + "."


def tables(title: str, methods: Runs, repeats: dict[str, list[dict[str, Any]]], longest: int) -> list[str]:
    """A table, chaotic rows marked, and below it their spreads."""
    odd = chaotic(methods, repeats, longest)
    header = [*HEADER, "products", "gradients", "seconds", "K"]
    rows = [row(m, runs, m in odd) for m, runs in methods.items()]
    single = [m for m in methods if m not in repeats]
    below = ["", f"Not repeated: {', '.join(single)}."] if single else []
    below += [line for note in notes(methods, repeats, longest) for line in ("", note)]
    return ["", f"**{title}**", "", table(header, rows), *below]


WITHOUT = {"noisy labels": "noisy", "validation data only": "validation", "true labels": "true"}
HEADER = ("method", "accuracy of y_K", "accuracy at x_K, solved", "validation loss", "‖A v − b‖", "‖h_K‖")


def section(found: dict[str, Any]) -> str:
    p = found["pixels"]
    own = "; ".join(
        f"{name}, deterministic: " + ", ".join(f"{method} {step:g}" for method, step in steps.items())
        for name, steps in OWN_STEP_X.items()
    )
    lines = [
        f"{p} × {p} pixels, (p/255 − m)/s with (m, s) = "
        + ", ".join(f"({m:g}, {s:g}) for {name}" for name, (m, s) in PIXELS.items())
        + "; 5000 training and 5000 validation samples (stochastic: 20000 training samples, batches of"
        f" 256, soba 128), 10000 test; λ = 500 (stochastic: 100; {own}), θ = 0.1, η = 0.05, N and Q as in the paper"
        " (the published configuration of kmnist has corruption 0.2 and 0.6, not 0.5 and 0.8); stochastic steps halved"
        " after a sixth of the iterations; seed 1. K = "
        + ", ".join(f"{K} ({part})" for part, K in found["maxiter"].items())
        + "; soba and hjfbio twice as many. Products of a stochastic run are products with a batch. f2sa's y_k"
        " minimizes f/σ + g, so that its loss and accuracy at y_K are those of a classifier trained on the validation"
        " data too. Seconds are wall time of two runs at once, on a machine that may have had other work: compare"
        " products and gradients.",
        "",
        "The published code of LancBiO forms no residual b − w in its first 250 iterations of hyper-cleaning and keeps"
        " x where it is in the first 49. K = 150 lies wholly within them, and the paper's K is 3000. The LancBiO here"
        " is that of the paper's Algorithms 2 and 4, with the residual from the first iteration on: its numbers at"
        " small K are not the paper's curves, whose K the section after this one has.",
        "",
        "Runs were made again from y_0 and v_0 moved by one rounding in each entry, all but those that a"
        " table names. A row is *chaotic* where the validation loss or ‖h_K‖ of the two differ, relatively, by more"
        " than 10⁻⁵ + R·L·u/δ: the sixth digit, the last that is kept, and what R products and gradients with"
        " sums of L terms can add up to if no error grows (L training samples, u = 2⁻⁵³; δ = 10⁻⁵ in hjfbio's"
        " difference quotients, elsewhere 1). Of a chaotic row three repetitions were made, and their spread"
        " stands below its table.",
    ]
    if "note" in found:
        lines += ["", found["note"] + "."]
    for part, methods in found["parts"].items():
        name, kind, corruption = part.split(", ")
        lines += tables(part, methods, found["repeats"][part], longest_sum(f"{kind}, {corruption}"))
        if kind == "deterministic":
            lines += ["", references_line(found["references"][f"{name}, {corruption}"])]
    if "long" in found:
        title = f"mnist, deterministic, 0.5, K = {found['long']['maxiter']}"
        lines += tables(title, found["long"]["methods"], found["long"]["repeats"], longest_sum("deterministic, 0.5"))
    lines += [
        "",
        "STABLE forms n_y × n_y matrices: with 7850 parameters 493 MB each and an eigenvalue problem of that size an"
        " iteration. It is compared on the digits, 650 parameters, where `compare` has its own steps (θ = 0.3, N = 10,"
        " c = 0.001):",
    ]
    for corruption, methods in found["digits"].items():
        lines += tables(f"digits, deterministic, {corruption}", methods, found["digits_repeats"][corruption], DIGITS)
    return "\n".join(lines)


def figure(found: dict[str, Any]) -> Any:
    methods = found["long"]["methods"] if "long" in found else found["parts"]["mnist, deterministic, 0.5"]
    return comparison_figure(drawn(methods), dict(problem="MNIST, half of the labels wrong", seeds=[1]))
