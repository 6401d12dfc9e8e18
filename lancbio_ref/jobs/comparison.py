"""``compare``: several methods on one's own problem, in one table and one figure."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np
import numpy.typing as npt

from .. import html
from ..arguments import as_choice, as_flag, as_integer, as_number, as_problem, as_vector, start_y
from ..datasets.packed import as_path
from ..errors import ArgumentError
from ..methods import METHODS, Method, MethodName, MethodOptions, build
from ..minibatch import BatchSize
from ..plotting import comparison_figure
from ..problem import BilevelProblem
from .compare import compared
from .instance import Instance
from .options import largest_divisor
from .settings import OPTIONS, Settings
from .table import cells, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 4  # troubles that a notebook shows unfolded
Form = Literal["text", "markdown", "latex", "frame"]


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` returns.

    Attributes
    ----------
    summary : dict
        As in ``comparison.json`` of ``lancbio-ref compare``: for each method outcomes, failures, doubts, and mean,
        deviation and values of every column.
    runs : dict of (int, str) to dict of str to ndarray
        The arrays of every run by seed and method, as in ``runs/METHOD-SEED.npz``.
    interrupted : bool
        Whether Ctrl-C ended it; the runs before are here.
    """

    summary: dict[str, Any]
    runs: dict[tuple[int, str], dict[str, np.ndarray]] = field(repr=False)
    interrupted: bool = False

    def table(self, form: Form = "text") -> Any:
        """Methods down, quantities across.

        Parameters
        ----------
        form : {"text", "markdown", "latex", "frame"}
            The last is a pandas DataFrame of the means.
        """
        as_choice("form", form, ("text", "markdown", "latex", "frame"))
        rows = cells(self.summary)
        if form == "markdown":
            head, *body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
            return "\n".join([head, "|---" * len(rows[0]) + "|", *body])
        if form == "latex":
            lines = [" & ".join(map(_latex, row)) + r" \\" for row in rows]
            return "\n".join([rf"\begin{{tabular}}{{l{'r' * (len(rows[0]) - 1)}}}", *lines, r"\end{tabular}"])
        if form == "frame":
            return self._frame()
        return table(self.summary)

    def plot(self) -> Figure:
        """‖h‖ and the residual against iterations, time and products (needs matplotlib)."""
        by_method = {name: [run for (_, m), run in self.runs.items() if m == name] for name in self.summary["methods"]}
        return comparison_figure(by_method, self.summary)

    def _frame(self) -> Any:
        try:
            import pandas
        except ImportError as error:
            raise ImportError('table("frame") needs pandas; table() is text') from error
        means = {
            name: {column: found["mean"] for column, found in entry["columns"].items()}
            for name, entry in self.summary["methods"].items()
        }
        return pandas.DataFrame.from_dict(means, orient="index").rename_axis("method")

    def _troubles(self) -> list[str]:
        return [
            f"{name}, seed {seed}: {text}"
            for name, entry in self.summary["methods"].items()
            for kind in ("failed", "doubts")
            for seed, text in entry[kind].items()
        ]

    def __str__(self) -> str:
        return "\n".join([self.table(), *self._troubles(), *(["interrupted"] if self.interrupted else [])])

    def __repr__(self) -> str:
        finished = sum(entry["finished"] for entry in self.summary["methods"].values())
        state = ", interrupted" if self.interrupted else ""
        return f"Comparison({', '.join(self.summary['methods'])}: {finished} of {len(self.runs)} runs finished{state})"

    def _repr_html_(self) -> str:
        troubles, methods = self._troubles(), self.summary["methods"]
        checked = any(entry["verdicts"] for entry in methods.values())
        verdict = f"{len(methods)} methods on {self.summary['problem']}" + (", interrupted" if self.interrupted else "")
        if troubles:
            verdict += f": {len(troubles)} of {len(self.runs)} runs failed, or their h is in doubt"
        elif checked:
            verdict += ": every h is the gradient of phi"
        kind = html.GOOD if checked and not troubles and not self.interrupted else html.OPEN
        return html.card(verdict, kind, table=cells(self.summary), words=troubles[:SHOWN], detail=str(self))


def compare(
    problem: BilevelProblem,
    methods: Sequence[MethodName] | Mapping[str, Mapping[str, Any] | Method[Any]],
    x0: npt.ArrayLike,
    y0: npt.ArrayLike | None = None,
    *,
    v0: npt.ArrayLike | None = None,
    seeds: Sequence[int] = (1,),
    maxiter: int = 100,
    tol: float = 0.0,
    every: int | None = None,
    batch_size: BatchSize | None = None,
    check: bool = True,
    name: str = "your problem",
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    **options: Unpack[MethodOptions],
) -> Comparison:
    """Run several methods from one start, and compare them.

    Parameters
    ----------
    problem : BilevelProblem
    methods : sequence of str, or mapping of str to dict or method
        Names; or names with options of their own, or method objects under any name.
    x0, y0, v0 : array_like
        As for :func:`lancbio_ref.minimize`.
    seeds : sequence of int
        A run a seed: they differ where a method or its mini-batches are random.
    maxiter : int
        Outer iterations of every method.
    tol : float
        Of ‖h‖₂.
    every : int, optional
        Record loss and residual every so many iterations; divides `maxiter`; about a hundredth by default.
    batch_size : int or (int, int), optional
    check : bool
        Compare the last h of each run with a certified gradient of φ.
    name : str
        Of the problem, in the figure.
    out : str or path-like, optional
        A folder that each run is written to when it is finished, and the table, the figure and ``comparison.json`` at
        the end, as ``lancbio-ref compare`` does.
    resume : bool
        Take the runs that are in `out` already, where their settings and the problem's numbers at the start are these.
    **options
        Of all methods that have them, such as ``step_x=0.1``. Steps that a method lacks are chosen by rule, as
        :func:`lancbio_ref.minimize` does.

    Returns
    -------
    Comparison
        ``print`` shows the table; ``table("markdown")``, ``table("latex")``, ``table("frame")``, ``plot()``.

    Raises
    ------
    ArgumentError
        A method or an option that does not exist, a start that does not fit; a folder that cannot be written to, or
        that holds runs: without `resume` any, with it damaged ones or others than these. A run that
        fails raises nothing: it is in the table's report with its message.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import compare, problems
    >>> problem, zero = problems.random_ridge(20, 20, 3, rng=0), np.zeros(3)
    >>> found = compare(problem, ["lancbio", "soba"], zero, zero, maxiter=20, step_x=0.1, step_y=0.02, step_v=0.02)
    >>> list(found.table().split()[:2]), len(found.runs)
    (['method', 'runs'], 2)
    """
    as_problem(problem)
    x = as_vector("x0", x0, getattr(problem, "n_x", None))
    if y0 is None:
        if problem.n_y is None:
            raise ArgumentError("y0", None, "a start: this problem does not say its n_y")
        y0 = start_y(problem, x.dtype)
    y = as_vector("y0", y0, problem.n_y)
    v = np.zeros_like(y) if v0 is None else as_vector("v0", v0, y.size)
    maxiter = as_integer("maxiter", maxiter, least=1)
    if every is None:
        every = largest_divisor(maxiter, max(1, maxiter // 100))
    elif maxiter % as_integer("every", every, least=1):
        raise ArgumentError("every", every, f"a divisor of the {maxiter} iterations: the last one is recorded")
    built = _built(methods, options)
    settings = Settings(
        problem=name,
        methods=built,
        seeds=tuple(as_integer("seeds", seed) for seed in seeds),
        maxiter=dict.fromkeys(built, maxiter),
        every=dict.fromkeys(built, every),
        given={} if out is None else {"numbers at the start": _numbers_at(problem, x, y, v)},
        out=None if out is None else as_path(out),
        batch_size=dict.fromkeys(built, batch_size),
        tol=as_number("tol", tol, least=0.0),
        certify=as_flag("check", check),
        resume=as_flag("resume", resume),
        quiet=True,
    )
    instance = Instance(problem, x, y, v)
    try:
        found = compared(settings, lambda seed: instance)
    except ArgumentError as error:  # about files, in the words of the command
        argument, expected = (
            str(text).replace("--out", "out").replace("--resume", "resume=True")
            for text in (error.argument, error.expected)
        )
        raise ArgumentError(argument.removesuffix("=True"), error.found, expected) from None
    if unwritten := [line for line in found.files if not found.all_written and line.startswith("failed")]:
        warnings.warn("; ".join(unwritten), RuntimeWarning, stacklevel=2)  # the numbers are here all the same
    return Comparison(found.summary, found.runs, found.interrupted)


def _numbers_at(problem: BilevelProblem, x: np.ndarray, y: np.ndarray, v: np.ndarray) -> str:
    """A digest of f, its gradients, ∇_y g, and of products with A and J at the start: what tells problems apart.

    Runs are taken up again only where it is the same; the settings in their files know nothing of a problem but this.
    """
    with np.errstate(all="ignore"):
        point, w = problem.linearize(x, y), np.cos(np.arange(y.size)).astype(y.dtype)
        numbers = [x, y, v, point.b, point.c, point.A.matvec(w), point.J.matvec(w), problem.lower_grad_y(x, y)]
        numbers.append(np.array(problem.value(x, y)))
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in numbers)).hexdigest()[:16]


def _built(methods: Any, options: Mapping[str, Any]) -> dict[str, Method[Any]]:
    """Method objects by name, each with those of the common options that it has."""
    if isinstance(methods, str) or not isinstance(methods, (Sequence, Mapping)) or not methods:
        raise ArgumentError("methods", repr(methods), f"names, or a dict by name, of {', '.join(METHODS)}")
    own = dict(methods) if isinstance(methods, Mapping) else {name: {} for name in methods}
    built: dict[str, Method[Any]] = {}
    for name, given in own.items():
        if isinstance(given, Mapping):
            as_choice("methods", name, METHODS)
            common = {option: value for option, value in options.items() if option in OPTIONS[name]}
            built[name] = build(name, common | dict(given))
        else:
            built[name] = given
    known = set().union(*(OPTIONS[name] for name, given in own.items() if isinstance(given, Mapping)))
    if unknown := sorted(set(options) - known):
        raise ArgumentError(
            unknown[0], repr(options[unknown[0]]), f"an option of one of these methods: {sorted(known)}"
        )
    return built


def _latex(cell: str) -> str:
    return cell.replace("||", r"$\|$").replace("_", r"\_").replace("±", r"$\pm$").replace("%", r"\%")
