"""What ``lancbio-ref compare`` runs: problems, methods, seeds, and the default steps of every method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..arguments import as_choice, as_integer, as_number
from ..errors import ArgumentError
from ..methods import HalvedSteps, Method, SubspaceSchedule, build, names
from .settings import JOBS, SCHEDULE, SCHEDULES

CLEANING = ("digits", "mnist", "fashion-mnist", "kmnist")
OTHERS: dict[str, dict[str, Any]] = {
    "20newsgroups": dict(maxiter=60, step_x=10000.0, step_y=100.0, inner_steps=5, subspace=10, data_dir=None),
    # for a look at the methods in seconds
    "ridge": dict(maxiter=500, step_x=0.1, step_y=0.03, inner_steps=5, subspace=10),
    "quadratic": dict(maxiter=500, step_x=0.1, step_y=None, inner_steps=5, subspace=10, n=20, condition=10.0),
}
PROBLEMS: dict[str, dict[str, Any]] = JOBS | OTHERS
FINITE_SUMS = (*CLEANING, "20newsgroups", "ridge")  # the problems that have mini-batches
DEFAULT_METHODS = tuple(name for name in names() if name != "stable")  # it forms and factors dense matrices
KEPT = (
    "n",
    "condition",
    "matrix_free",
    "train",
    "corruption",
    "regularization",
    "data_dir",
)  # what a problem is made from
SINGLE_LOOP = ("soba", "ttsa", "hjfbio", "stable")  # one step in y: they know no inner_steps
INVERSE_STEPS = {"amigo-gd": 5, "amigo-cg": 5, "stocbio": 10, "bsa": 10, "ttsa": 10}
NO_STEP_V = ("lancbio", "amigo-cg", "stable", "f2sa")
ALWAYS_TEN = ("stocbio", "bsa")  # N = 10 in all of the paper's experiments
TEN_WHEN_CLEANING = ("amigo-gd", "amigo-cg", "f2sa", *ALWAYS_TEN)
STOCHASTIC_STEP_X = 100.0  # of the paper's experiments with mini-batches
OWN_STEP_X = {"fashion-mnist": {"amigo-cg": 100.0, "f2sa": 10.0}}  # of the paper's deterministic experiments
F2SA_DECAY = dict(decay_x=1 / 7, penalty=1.0, penalty_growth=0.1, decay_penalty=1.0)


@dataclass(frozen=True)
class Comparison:
    """A comparison.

    Parameters
    ----------
    problem : str
        One of `PROBLEMS`.
    methods : dict of str to Method
        In the order of the table.
    seeds : tuple of int
    maxiter, every : dict of str to int
        Outer iterations of each method, and how often its loss, residual and accuracy are recorded.
    batch_size : dict of str to int or (int, int) or None
        Of each method; None is deterministic.
    halve_from : int or None
        The iteration from which on step_x and step_y are halved.
    given : dict
        What the problem is made from: those of `KEPT` that it knows.
    out : Path
    certify : bool
        Whether the last h of each run is compared with a certified ∇φ(x_K).
    resume, quiet : bool
    """

    problem: str
    methods: dict[str, Method]
    seeds: tuple[int, ...]
    maxiter: dict[str, int]
    every: dict[str, int]
    batch_size: dict[str, int | tuple[int, int] | None]
    halve_from: int | None
    given: dict[str, Any]
    out: Path
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
        return self.out / "runs" / f"{name}-{seed}.npz"

    def run_settings(self, seed: int, name: str) -> dict[str, Any]:
        """All that the numbers of one run depend on; `--resume` keeps a run only where all of it is the same."""
        return dict(
            version=__version__,
            problem=self.problem,
            given=self.given,
            method=name,
            options=asdict(self.methods[name]),  # type: ignore[call-overload]  # methods are frozen dataclasses
            maxiter=self.maxiter[name],
            every=self.every[name],
            batch_size=self.batch_size[name],
            halve_from=self.halve_from,
            certify=self.certify,
            seed=seed,
        )


def default_options(
    problem: str, method: str, condition: float | None = None, *, stochastic: bool = False
) -> dict[str, Any]:
    """The options of `method` on `problem`; θ = η = 1/condition where the problem has no θ of its own.

    Examples
    --------
    >>> from lancbio_ref.jobs.compare_settings import default_options
    >>> default_options("mnist", "stocbio")
    {'step_x': 500.0, 'step_y': 0.1, 'step_v': 0.05, 'inner_steps': 10, 'inverse_steps': 10}
    """
    own = PROBLEMS[problem]
    step_y = 1 / (own["condition"] if condition is None else condition) if own["step_y"] is None else own["step_y"]
    step_x = OWN_STEP_X.get(problem, {}).get(method, own["step_x"])
    if stochastic and problem in CLEANING[1:]:
        step_x = STOCHASTIC_STEP_X
    options: dict[str, Any] = dict(step_x=step_x, step_y=step_y)
    if method not in NO_STEP_V:
        options["step_v"] = 0.05 if problem in CLEANING else step_y
    if method not in SINGLE_LOOP:
        ten = ALWAYS_TEN if problem not in CLEANING else TEN_WHEN_CLEANING
        options["inner_steps"] = 10 if method in ten else own["inner_steps"]
    if method in INVERSE_STEPS:
        options["inverse_steps"] = INVERSE_STEPS[method]
    if method == "lancbio":
        growth, every = SCHEDULES.get(problem, SCHEDULE)
        options["subspace"] = SubspaceSchedule(1, growth, every, own["subspace"])
    return options | (F2SA_DECAY if method == "f2sa" else {})


def options_table() -> str:
    """The default options as the help shows them; made from the same tables that the runs are made from."""
    lines = [f"  {'problem':<28} {'maxiter':>7} {'step_x':>6} {'step_y':>11} {'step_v':>11} {'N':>3} {'m':>3}"]
    image_jobs = ", ".join(CLEANING[1:])
    for problem, title in (("digits", "digits"), ("mnist", image_jobs), *((p, p) for p in ("synthetic", *OTHERS))):
        own = PROBLEMS[problem]
        step_y = own["step_y"] or "1/condition"
        step_v = 0.05 if problem in CLEANING else step_y
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
        }.get(method, "")
        inner = "- (one step in y)" if method in SINGLE_LOOP else inner
        lines.append(f"  {method:<10} {inner:<34} {INVERSE_STEPS.get(method, '-'):<14} {other}".rstrip())
    return "\n".join(lines)


def make_comparison(problem: str, given: Mapping[str, Any]) -> Comparison:
    """The comparison that these options of the command line ask for; None means the default.

    Raises
    ------
    ArgumentError
        An option that means nothing to this problem or method, or a number out of range.
    """
    defaults = PROBLEMS[as_choice("problem", problem, PROBLEMS)]
    chosen = {name: value for name, value in given.items() if value is not None}
    known = {name: defaults[name] for name in KEPT if name in defaults}
    for name in KEPT:
        if name in chosen and name not in known and not (name == "data_dir" and problem in CLEANING[1:]):
            raise ArgumentError(
                f"--{name.replace('_', '-')}", f"given for {problem}", "this option with a problem that has it"
            )
    about = known | {name: chosen[name] for name in KEPT if name in chosen}
    for name, limits in dict(
        condition=dict(least=1.0), corruption=dict(least=0.0, most=1.0), regularization=dict(above=0.0)
    ).items():
        if name in about:
            about[name] = as_number(f"--{name}", about[name], **limits)
    for name, least in dict(n=1, train=2).items():
        if name in about:
            about[name] = as_integer(f"--{name}", about[name], least=least)
    selected = _methods(chosen.get("methods"))
    batch_size = parse_batch_size(problem, chosen.get("batch_size"))
    halve_from = chosen.get("halve_from")
    if halve_from is not None:
        halve_from = as_integer("--halve-from", halve_from, least=2)
    overrides = _overrides(chosen.get("set") or (), selected)
    maxiter, every, methods, batches = {}, {}, {}, {}
    common = as_integer("--maxiter", chosen.get("maxiter", defaults["maxiter"]), least=1)
    for name in selected:
        maxiter[name] = as_integer("maxiter", overrides[name].pop("maxiter", common), least=1)
        every[name] = _every(chosen.get("every"), maxiter[name])
        own = overrides[name].pop("batch_size", batch_size)
        batches[name] = parse_batch_size(problem, str(own)) if isinstance(own, (int, str)) else own
        options = default_options(problem, name, about.get("condition"), stochastic=batches[name] is not None)
        methods[name] = build(name, options | overrides[name])
    return Comparison(
        problem,
        methods,
        parse_seeds(chosen.get("seeds", "1-3")),
        maxiter,
        every,
        batches,
        halve_from,
        about,
        Path(chosen.get("out") or Path("lancbio-runs", f"compare-{problem}")),
        bool(chosen.get("certify", True)),
        bool(chosen.get("resume")),
        bool(chosen.get("quiet")),
    )


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds such as ``1-10`` or ``1,3,7-9``, each once, in the order given.

    Examples
    --------
    >>> from lancbio_ref.jobs.compare_settings import parse_seeds
    >>> parse_seeds("4,1-3,2")
    (4, 1, 2, 3)
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else not last)) or (dash and int(first) > int(last)):
            raise ArgumentError("--seeds", repr(text), "numbers and ranges such as 1-10 or 1,3,7-9")
        seeds += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(seeds))


def parse_batch_size(problem: str, text: str | None) -> int | tuple[int, int] | None:
    """One size for both levels, or two, such as ``256`` or ``256,64`` (upper, lower).

    Examples
    --------
    >>> from lancbio_ref.jobs.compare_settings import parse_batch_size
    >>> parse_batch_size("mnist", "256"), parse_batch_size("mnist", "256,64")
    (256, (256, 64))
    """
    if text is None:
        return None
    if problem not in FINITE_SUMS:
        raise ArgumentError("--batch-size", f"given for {problem}", "this option with " + ", ".join(FINITE_SUMS))
    parts = text.split(",")
    if len(parts) > 2 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise ArgumentError("--batch-size", repr(text), "a number such as 256, or two: upper,lower")
    sizes = [int(part) for part in parts]
    return sizes[0] if len(sizes) == 1 else (sizes[0], sizes[1])


def _methods(text: str | None) -> tuple[str, ...]:
    if text is None:
        return DEFAULT_METHODS
    if text == "all":
        return names()
    return tuple(dict.fromkeys(as_choice("--methods", name.strip(), names()) for name in text.split(",")))


def _overrides(assignments: Sequence[str], methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """``METHOD.OPTION=VALUE`` by method; a value that is no number is a word."""
    found: dict[str, dict[str, Any]] = {name: {} for name in methods}
    for text in assignments:
        target, equals, value = text.partition("=")
        method, dot, option = target.partition(".")
        if not (equals and dot and option and value):
            raise ArgumentError("--set", repr(text), "METHOD.OPTION=VALUE, such as soba.step_x=0.5")
        found[as_choice("--set", method, methods)][option] = _value(value)
    return found


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _every(given: int | None, maxiter: int) -> int:
    """How often to record: a divisor of `maxiter`, so that the last iteration is recorded; about 100 times a run."""
    if given is None:
        return max(d for d in range(1, max(1, maxiter // 100) + 1) if maxiter % d == 0)
    every = as_integer("--every", given, least=1)
    if maxiter % every:
        raise ArgumentError("--every", every, f"a divisor of the {maxiter} iterations: the last one is recorded")
    return every
