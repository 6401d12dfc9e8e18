"""The settings of each job: the paper's where it has some, and which options a job knows at all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..arguments import as_choice, as_integer, as_number
from ..errors import ArgumentError
from ..methods import LancBiO, SubBiO, SubspaceSchedule

SHARED: dict[str, Any] = dict(method="lancbio", seed=1, step_v=0.05)
PAPER_CLEANING: dict[str, Any] = SHARED | dict(
    maxiter=3000, step_x=500.0, step_y=0.1, inner_steps=5, subspace=10, corruption=0.5, regularization=0.01, every=10
)
PAPER_IMAGES = PAPER_CLEANING | dict(train=5000)
JOBS: dict[str, dict[str, Any]] = {
    "digits": PAPER_CLEANING | dict(maxiter=500, step_y=0.3, inner_steps=10, regularization=0.001, every=2),
    "mnist": PAPER_IMAGES,
    "fashion-mnist": PAPER_IMAGES,
    "kmnist": PAPER_IMAGES,
    "synthetic": SHARED
    | dict(
        maxiter=2000,
        step_x=1.0,
        step_y=None,
        step_v=None,
        inner_steps=5,
        subspace=80,
        n=1000,
        condition=1e3,
        matrix_free=False,
        every=5,
    ),
}
SCHEDULES = {"synthetic": (1.1, 20)}  # growth ρ and how often f; elsewhere:
SCHEDULE = (1.3, 50)
ONLY = {
    "n": "synthetic",
    "condition": "synthetic",
    "matrix_free": "synthetic",
    "train": "the image jobs",
    "corruption": "the data-cleaning jobs",
    "regularization": "the data-cleaning jobs",
}


@dataclass(frozen=True)
class Settings:
    """What every job depends on.

    Parameters
    ----------
    job : str
        One of `JOBS`.
    out : Path
        Where the files go.
    method : LancBiO or SubBiO
    method_name : str
    maxiter, seed, every : int
        Outer iterations; of data, start and noise; record loss and accuracy every so many iterations.
    tol : float
        Of ‖h‖₂.
    quiet : bool
        No progress.
    certify : bool
        Whether the last hyper-gradient is checked against a certified one.
    """

    job: str
    out: Path
    method: LancBiO | SubBiO
    method_name: str
    maxiter: int
    seed: int
    every: int
    tol: float
    quiet: bool
    certify: bool

    def summary(self) -> dict[str, Any]:
        """For the JSON file and the report: numbers and strings only."""
        values = asdict(self)
        del values["out"], values["quiet"], values["certify"]
        values["method"], values["method_options"] = values.pop("method_name"), values["method"]
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


@dataclass(frozen=True)
class CleaningSettings(Settings):
    """Hyper-data cleaning.

    Parameters
    ----------
    data_dir : Path or None
        Where the idx files are; None for the digits, and where they are to be downloaded.
    train : int or None
        How many training samples; None for the digits, whose split is fixed.
    corruption, regularization : float
        The fraction of wrong training labels; c in c‖y‖².
    """

    data_dir: Path | None
    train: int | None
    corruption: float
    regularization: float


@dataclass(frozen=True)
class SyntheticSettings(Settings):
    """The synthetic problem.

    Parameters
    ----------
    n : int
        The length of x and of y.
    condition : float
        κ of G.
    matrix_free : bool
        Whether G is formed or made of fast transforms.
    """

    n: int
    condition: float
    matrix_free: bool


def make_settings(job: str, given: dict[str, Any]) -> CleaningSettings | SyntheticSettings:
    """The settings of `job`, with those options of `given` that are not None in place of the defaults.

    Raises
    ------
    ArgumentError
        An option that means nothing to this job or method, or a number out of range.
    """
    defaults = JOBS[as_choice("job", job, JOBS)]
    chosen = {name: value for name, value in given.items() if value is not None}
    for name, where in ONLY.items():
        if name in chosen and name not in defaults:
            raise ArgumentError(_flag(name), f"given for {job}", f"this option with {where} only")
    if job in ("digits", "synthetic") and "data_dir" in chosen:
        raise ArgumentError("--data-dir", f"given for {job}", "no folder: this job's data travel with the package")
    values = defaults | chosen
    if job == "synthetic":
        values["condition"] = as_number("--condition", values["condition"], least=1.0)  # θ and η depend on it
    method_name = as_choice("--method", values["method"], ("lancbio", "subbio"))
    other = {"lancbio": "step_v", "subbio": "subspace"}[method_name]
    if other in chosen:
        raise ArgumentError(_flag(other), f"given for {method_name}", "this option with the other method only")
    shared: dict[str, Any] = dict(
        job=job,
        out=Path(values.get("out") or Path("lancbio-runs", job)),
        method=_method(job, method_name, values),
        method_name=method_name,
        maxiter=as_integer("--maxiter", values["maxiter"], least=1),
        seed=as_integer("--seed", values["seed"]),
        every=values["every"],
        tol=as_number("--tol", values.get("tol", 0.0), least=0.0),
        quiet=bool(values.get("quiet")),
        certify=bool(values.get("certify", True)),
    )
    if job == "synthetic":
        return SyntheticSettings(
            **shared,
            n=as_integer("--n", values["n"], least=1),
            condition=values["condition"],
            matrix_free=values["matrix_free"],
        )
    return CleaningSettings(
        **shared,
        data_dir=Path(values["data_dir"]) if "data_dir" in chosen else None,
        train=as_integer("--train", values["train"], least=2) if "train" in values else None,
        corruption=as_number("--corruption", values["corruption"], least=0.0, most=1.0),
        regularization=as_number("--regularization", values["regularization"], above=0.0),
    )


def _method(job: str, name: str, values: dict[str, Any]) -> LancBiO | SubBiO:
    """The method; on the synthetic problem θ and η are 1/κ unless given, as in the paper."""
    steps: dict[str, Any] = {}
    for option in ("step_x", "step_y") + (("step_v",) if name == "subbio" else ()):
        value = 1 / values["condition"] if values[option] is None else values[option]
        steps[option] = as_number(_flag(option), value, above=0.0)
    inner_steps = as_integer("--inner-steps", values["inner_steps"], least=1)
    if name == "subbio":
        return SubBiO(**steps, inner_steps=inner_steps)
    growth, every = SCHEDULES.get(job, SCHEDULE)
    maximum = as_integer("--subspace", values["subspace"], least=1)
    return LancBiO(**steps, inner_steps=inner_steps, subspace=SubspaceSchedule(1, growth, every, maximum))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
