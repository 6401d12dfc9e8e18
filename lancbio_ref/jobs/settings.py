"""What a run depends on: problems and the default options of every method on them, the paper's where it has some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from .. import __version__
from ..methods import DETERMINISTIC, METHODS, Automatic, HalvedSteps, Method, SubspaceSchedule, names
from ..minibatch import BatchSize

CLEANING = ("digits", "mnist", "fashion-mnist", "kmnist")
PAPER_CLEANING: dict[str, Any] = dict(
    maxiter=3000, step_x=500.0, step_y=0.1, step_v=0.05, inner_steps=5, subspace=10, every=10
) | dict(corruption=0.5, regularization=0.01)
PAPER_IMAGES = PAPER_CLEANING | dict(train=5000, data_dir=None)
JOBS: dict[str, dict[str, Any]] = {  # what ``lancbio-ref run`` knows; θ and η that are None are 1/condition
    "digits": PAPER_CLEANING | dict(maxiter=500, step_y=0.3, inner_steps=10, regularization=0.001, every=2),
    "mnist": PAPER_IMAGES,
    "fashion-mnist": PAPER_IMAGES,
    "kmnist": PAPER_IMAGES,
    "synthetic": dict(maxiter=2000, step_x=1.0, step_y=None, step_v=None, inner_steps=5, subspace=80, every=5)
    | dict(n=1000, condition=1e3, matrix_free=False),
}
NEWSGROUPS = dict(maxiter=60, step_x=10000.0, step_y=100.0, step_v=100.0, inner_steps=5, subspace=10, data_dir=None)
SMALL = dict(maxiter=500, step_x=0.1, step_y=0.03, step_v=0.03, inner_steps=5, subspace=10)  # the methods in seconds
OTHERS: dict[str, dict[str, Any]] = {
    "20newsgroups": NEWSGROUPS,
    "ridge": SMALL,
    "quadratic": SMALL | dict(step_y=None, step_v=None, n=20, condition=10.0),
}
PROBLEMS = JOBS | OTHERS
KEPT = ("n", "condition", "matrix_free", "train", "corruption", "regularization", "data_dir")  # what makes a problem
FINITE_SUMS = (*CLEANING, "20newsgroups", "ridge")  # the problems that have mini-batches
NAMED_ONLY = ("stable", *DETERMINISTIC)  # the one factors dense matrices, the others have no batches
DEFAULT_METHODS = tuple(name for name in names() if name not in NAMED_ONLY)
OPTIONS = {name: {field.name for field in fields(kind)} for name, kind in METHODS.items()}
INVERSE_STEPS = {"amigo-gd": 5, "amigo-cg": 5, "stocbio": 10, "bsa": 10, "ttsa": 10}
ALWAYS_TEN = ("stocbio", "bsa")  # N = 10 in all of the paper's experiments
TEN_WHEN_CLEANING = ("amigo-gd", "amigo-cg", "f2sa", *ALWAYS_TEN)
STOCHASTIC_STEP_X = 100.0  # of the paper's experiments with mini-batches
OWN_STEP_X = {"fashion-mnist": {"amigo-cg": 100.0, "f2sa": 10.0}}  # of the paper's deterministic experiments
F2SA_DECAY = dict(decay_x=1 / 7, penalty=1.0, penalty_growth=0.1, decay_penalty=1.0)
SCHEDULES = {"synthetic": (1.1, 20)}  # growth ρ and how often f; elsewhere:
SCHEDULE = (1.3, 50)


@dataclass(frozen=True)
class Settings:
    """Runs of some methods, for some seeds, on one problem.

    Parameters
    ----------
    problem : str
        One of `PROBLEMS`.
    methods : dict of str to Method
        In the order of the table.
    seeds : tuple of int
    maxiter, every : dict of str to int
        Outer iterations of each method, and how often its loss, residual and accuracy are recorded.
    given : dict
        What the problem is made from: those of `KEPT` that it knows.
    out : Path or None
        The folder for what is written; None, of ``lancbio_ref.compare``, writes nothing.
    batch_size : dict of str to int or (int, int) or None
        Of each method; None is deterministic.
    halve_from : int or None
        The iteration from which on step_x and step_y are halved.
    tol : float
        Of ‖h‖₂.
    certify : bool
        Whether the last h of each run is compared with a certified ∇φ(x_K).
    resume, quiet : bool
    """

    problem: str
    methods: dict[str, Method]
    seeds: tuple[int, ...]
    maxiter: dict[str, int]
    every: dict[str, int]
    given: dict[str, Any]
    out: Path | None
    batch_size: Mapping[str, BatchSize | None]
    halve_from: int | None = None
    tol: float = 0.0
    certify: bool = True
    resume: bool = False
    quiet: bool = False

    def runs(self) -> list[tuple[int, str]]:
        """(seed, method) of every run: a seed's runs follow each other, on the same problem and from the same start."""
        return [(seed, name) for seed in self.seeds for name in self.methods]

    def method(self, name: str) -> Method:
        """What `minimize` is given."""
        method = self.methods[name]
        return method if self.halve_from is None else HalvedSteps(method, self.halve_from)

    def path(self, seed: int, name: str) -> Path:
        assert self.out is not None  # else nothing asks
        return self.out / "runs" / f"{name}-{seed}.npz"

    def run_settings(self, seed: int, name: str) -> dict[str, Any]:
        """All that the numbers of one run depend on; `--resume` keeps a run only where all of it is the same."""
        return dict(
            version=__version__,
            problem=self.problem,
            given=self.given,
            method=name,
            options=_options(self.methods[name]),
            maxiter=self.maxiter[name],
            every=self.every[name],
            batch_size=self.batch_size[name],
            halve_from=self.halve_from,
            tol=self.tol,
            certify=self.certify,
            seed=seed,
        )


def _options(method: Any) -> dict[str, Any]:
    """Of a method, a frozen dataclass; of one whose steps are chosen by rule those that are given."""
    if isinstance(method, Automatic):
        return dict.fromkeys(method.missing, "auto") | dict(method.given)
    return asdict(method)


def default_options(
    problem: str, method: str, condition: float | None = None, *, stochastic: bool = False
) -> dict[str, Any]:
    """The options of `method` on `problem`; θ = η = 1/condition where the problem has no θ of its own.

    Examples
    --------
    >>> from lancbio_ref.jobs.settings import default_options
    >>> default_options("mnist", "stocbio")
    {'step_x': 500.0, 'step_y': 0.1, 'step_v': 0.05, 'inner_steps': 10, 'inverse_steps': 10}
    """
    own, known = PROBLEMS[problem], OPTIONS[method]
    step_x = OWN_STEP_X.get(problem, {}).get(method, own["step_x"])
    if stochastic and problem in CLEANING[1:]:
        step_x = STOCHASTIC_STEP_X
    options: dict[str, Any] = dict(step_x=step_x) if "step_x" in known else {}
    for step in ("step_y", "step_v"):
        if step in known:
            given = own[step]
            options[step] = 1 / (own["condition"] if condition is None else condition) if given is None else given
    if "inner_steps" in known:
        ten = ALWAYS_TEN if problem not in CLEANING else TEN_WHEN_CLEANING
        options["inner_steps"] = 10 if method in ten else own["inner_steps"]
    if "inverse_steps" in known and method in INVERSE_STEPS:  # else the method's own default serves
        options["inverse_steps"] = INVERSE_STEPS[method]
    if "subspace" in known:
        growth, every = SCHEDULES.get(problem, SCHEDULE)
        options["subspace"] = SubspaceSchedule(1, growth, every, own["subspace"])
    return options | (F2SA_DECAY if method == "f2sa" else {})


def options_table() -> str:
    """The default options as the help shows them; made from the same tables that the runs are made from."""
    lines = [f"  {'problem':<28} {'maxiter':>7} {'step_x':>6} {'step_y':>11} {'step_v':>11} {'N':>3} {'m':>3}"]
    image_jobs = ", ".join(CLEANING[1:])
    for problem, title in (("digits", "digits"), ("mnist", image_jobs), *((p, p) for p in ("synthetic", *OTHERS))):
        own = PROBLEMS[problem]
        step_y, step_v = (own[step] or "1/condition" for step in ("step_y", "step_v"))
        lines.append(
            f"  {title:<28} {own['maxiter']:>7} {own['step_x']:>6g} {step_y:>11} {step_v:>11}"
            f" {own['inner_steps']:>3} {own['subspace']:>3}"
        )
    exceptions = "; ".join(
        f"on {problem} " + " and ".join(f"{step:g} for {method}" for method, step in steps.items())
        for problem, steps in OWN_STEP_X.items()
    )
    lines += ["", f"  On {image_jobs} with --batch-size, step_x is {STOCHASTIC_STEP_X:g}; without, it is"]
    lines += [f"  {exceptions}."]
    lines += ["", f"  {'method':<10} {'inner_steps':<34} {'inverse_steps':<14} other options"]
    for method in names():
        inner = (
            "N" if method not in TEN_WHEN_CLEANING else "10" if method in ALWAYS_TEN else "10 (image problems), else N"
        )
        other = {
            "lancbio": "subspace grows from 1 to m",
            "ttsa": "decay_x 0.6, decay_y 0.4",
            "stable": "momentum 0.5",
            "f2sa": "decay_x 1/7, penalty 1 + sum of 0.1/(k+1)",
            "hjfbio": "radius 1000, difference 1e-5",
            "hoag": "step_x adapts; tolerance 0.1 * 0.9^(k-1)",
            "maid": "step_x and tolerance 0.1 adapt",
            "recycled-newton": "no step to choose",
        }.get(method, "")
        inner = inner if "inner_steps" in OPTIONS[method] else "- (one step in y)"
        inner = inner if "step_y" in OPTIONS[method] else "- (as many as the accuracy asks)"
        lines.append(f"  {method:<10} {inner:<34} {INVERSE_STEPS.get(method, '-'):<14} {other}".rstrip())
    return "\n".join(lines)
