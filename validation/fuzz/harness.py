"""One case: inputs, the lines of code that use them, and what was claimed of them; and the tally of many.

A case is drawn from (seed, check, index) alone, and the code that it runs is text over named literals: what is run is
what a violation prints.
"""

from __future__ import annotations

import json
import math
import re
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np
import scipy.sparse as sp
from flint import arb, fmpq

from lancbio_ref import LancbioError

from . import draw, exact

IMPORTS = {
    "np": "import numpy as np",
    "sp": "import scipy.sparse as sp",
    "LinearOperator": "from scipy.sparse.linalg import LinearOperator",
    "Proven": "from lancbio_ref import Proven",
    "Linearization": "from lancbio_ref import Linearization",
    "BilevelProblem": "from lancbio_ref import BilevelProblem",
    "LipschitzConstants": "from lancbio_ref import LipschitzConstants",
    "LowerLevel": "from lancbio_ref import LowerLevel",
    "UpperLevel": "from lancbio_ref import UpperLevel",
    "HyperObjective": "from lancbio_ref import HyperObjective",
    "certify_mu": "from lancbio_ref import certify_mu",
    "hypergradient": "from lancbio_ref import hypergradient",
    "lanczos_solve": "from lancbio_ref import lanczos_solve",
    "lower_solution": "from lancbio_ref import lower_solution",
    "operators": "from lancbio_ref import operators",
    "oracle": "from lancbio_ref import oracle",
    "problems": "from lancbio_ref import problems",
    "LanczosInverse": "from lancbio_ref.inverse import LanczosInverse",
    "largest_certified_mu": "from lancbio_ref.operators.proofs import largest_certified_mu",
    "Bound": "from lancbio_ref.certificate import Bound",
    "lower_level_bound": "from lancbio_ref.certificate import lower_level_bound",
    "CertificateStatus": "from lancbio_ref import CertificateStatus",
    "softmax": "from lancbio_ref.operators.multinomial import softmax",
    "WeightCross": "from lancbio_ref.problems.weight_cross import WeightCross",
}
KEPT = 8  # reproducers kept of one kind of violation
QUANTILES = (0.0, 0.01, 0.5, 0.99)
_SPACE: dict[str, Any] = {}
_WORDS = re.compile(r"[A-Za-z_]\w*")


def _space() -> dict[str, Any]:
    if not _SPACE:
        for line in IMPORTS.values():
            exec(line, _SPACE)
    return dict(_SPACE)


@lru_cache(maxsize=4096)
def _compiled(code: str) -> CodeType:
    return compile(code, "<case>", "exec")


def literal(value: Any) -> str:
    """Source that gives the same bits."""
    if sp.issparse(value):
        parts = ", ".join(literal(part) for part in (value.data, value.indices, value.indptr))
        return f"sp.csr_array(({parts}), shape={value.shape})"
    if isinstance(value, np.ndarray):
        source = f"np.array({value.tolist()}, np.{value.dtype.name})"
        fortran = value.ndim == 2 and value.flags.f_contiguous and not value.flags.c_contiguous
        return f"np.asfortranarray({source})" if fortran else source
    return repr(value)


@dataclass
class Statement:
    """One claim of one case: `holds` is None where the truth could not decide."""

    label: str
    holds: bool | None
    ratio: float | None = None  # bound/error
    promised: bool = True
    said: bool = True  # False: the bound was infinite
    what: str = ""


class Case:
    """What one check draws, runs and finds.

    Attributes
    ----------
    r : draw.Source
        Of this case alone.
    space : dict
        The names that the code of this case sees.
    refused : str or None
        The package's own exception that ended the case, by name.
    """

    def __init__(self, check: str, seed: int, index: int) -> None:
        self.check, self.seed, self.index = check, seed, index
        self.r = draw.Source.of(seed, zlib.crc32(check.encode()), index)
        self.space = _space()
        self.inputs: dict[str, Any] = {}
        self.lines: list[str] = []
        self.statements: list[Statement] = []
        self.refused: str | None = None

    def let(self, **values: Any) -> None:
        """Name inputs."""
        self.inputs.update(values)
        self.space.update(values)

    def run(self, code: str, *, optional: bool = False) -> bool:
        """Run a line; False where the package refused, or where something else was raised: a violation.

        A refused line that is `optional` does not end the case, and is taken out of it.
        """
        self.lines.append(code)
        try:
            exec(_compiled(code), self.space)
        except LancbioError as error:
            if optional:
                self.lines.pop()
            else:
                self.refused = type(error).__name__
            return False
        except Exception as error:
            what = f"raises {type(error).__name__}: {str(error)[:120]}"
            self.statements.append(Statement("exceptions", False, what=what))
            return False
        return True

    def __getitem__(self, name: str) -> Any:
        return self.space[name]

    # -- claims ----------------------------------------------------------------------------

    def require(self, label: str, holds: bool | None, what: str) -> None:
        """A claim that is true or false."""
        self.statements.append(Statement(label, holds, what=what))

    def bounds(self, label: str, bound: Any, error: fmpq, *, promised: bool = True) -> None:
        """bound ≥ √error, `error` the exact square; `bound` a float, or an exact rational."""
        if isinstance(bound, fmpq):
            square = bound * bound
        elif self._odd(label, bound, promised):
            return
        else:
            square = exact.number(bound) ** 2
        ratio = exact.root(square / error) if error > 0 else None
        what = f"bound {_show(bound)}, error {exact.root(error):.17g}"
        self.statements.append(Statement(label, bool(square >= error), ratio, promised, what=what))

    def encloses(self, label: str, bounds: tuple[float, ...], error: arb | None, *, promised: bool = True) -> None:
        """Σ bounds ≥ error, a ball; None where the truth could not be had."""
        total = float(sum(bounds))
        if error is None:
            self.statements.append(Statement(label, None, promised=promised))
            return
        if self._odd(label, total, promised):
            return
        bound = sum((arb(b) for b in bounds), arb(0))
        holds = True if bound >= error else False if bound < error else None
        size = float(error.mid())
        ratio = total / size if size > 0 and holds is not None else None
        self.statements.append(Statement(label, holds, ratio, promised, what=f"bound {total!r}, error {size!r}"))

    def _odd(self, label: str, bound: float, promised: bool) -> bool:
        """Whether a bound is no number to compare: nothing is said by inf; NaN and negative numbers are violations."""
        bound = float(bound)
        if math.isnan(bound) or bound < 0:
            self.statements.append(Statement(label, False, what=f"bound {bound!r}"))
            return True
        if bound == math.inf:
            self.statements.append(Statement(label, True, None, promised, said=False))
            return True
        return False

    def reproducer(self) -> str:
        """The lines that were run, with what they need."""
        code = "\n".join(self.lines)
        needed = {name: value for name, value in self.inputs.items() if name in set(_WORDS.findall(code))}
        body = [f"{name} = {literal(value)}" for name, value in needed.items()] + self.lines
        words = set(_WORDS.findall("\n".join(body)))
        wrong = [f"# {s.label}: {s.what}" for s in self.statements if s.holds is False and s.promised]
        again = f"# --only {self.check} --seed {self.seed} --case {self.index}"
        return "\n".join([line for name, line in IMPORTS.items() if name in words] + body + wrong + [again])


def _show(bound: Any) -> str:
    return f"{exact.root(bound * bound):.17g}" if isinstance(bound, fmpq) else repr(float(bound))


# -- many cases ----------------------------------------------------------------------------


@dataclass
class Tally:
    """The statements of one label."""

    n: int = 0
    violations: int = 0
    undecided: int = 0
    silent: int = 0  # the bound was infinite: nothing said
    exact: int = 0  # the error was 0
    unpromised: int = 0
    below: int = 0  # unpromised, and below the truth
    ratios: list[float] = field(default_factory=list)
    unpromised_ratios: list[float] = field(default_factory=list)

    def add(self, s: Statement) -> None:
        self.n += 1
        self.silent += not s.said
        self.undecided += s.holds is None
        if s.holds is None or not s.said:
            return
        if s.promised:
            self.violations += s.holds is False
        else:
            self.unpromised += 1
            self.below += s.holds is False
        if s.ratio is None:
            self.exact += 1
        else:
            (self.ratios if s.promised else self.unpromised_ratios).append(s.ratio)

    def plain(self) -> dict[str, Any]:
        counts = ("n", "violations", "undecided", "silent", "exact", "unpromised", "below")
        found: dict[str, Any] = {name: getattr(self, name) for name in counts}
        found["quantiles"] = quantiles(self.ratios)
        found["unpromised_quantiles"] = quantiles(self.unpromised_ratios)
        return found


def quantiles(ratios: list[float]) -> list[float] | None:
    """Minimum, 1 %, median, 99 % of bound/error; None of none."""
    if not ratios:
        return None
    found = np.quantile(np.minimum(np.array(ratios), 1e300), QUANTILES, method="lower")
    return [float(f"{value:.6g}") if value > 1.001 else float(value) for value in found]


class Check:
    """A named check, and what it has found so far."""

    def __init__(self, name: str, function: Callable[[Case], None], weight: float = 1.0) -> None:
        self.name, self.function, self.weight = name, function, weight
        self.cases, self.seconds = 0, 0.0
        self.refused: Counter[str] = Counter()
        self.tallies: dict[str, Tally] = {}
        self.found: dict[str, list[str]] = {}

    def run(self, seed: int, index: int) -> Case:
        """One case, counted."""
        started = time.process_time()
        case = Case(self.name, seed, index)
        with warnings.catch_warnings(), np.errstate(all="ignore"):  # numbers that overflow are what this is about
            warnings.simplefilter("ignore")
            try:
                self.function(case)
            except BaseException as error:
                error.add_note(f"in --only {self.name} --seed {seed} --case {index}:\n{case.reproducer()}")
                raise
        self.cases += 1
        if case.refused:
            self.refused[case.refused] += 1
        for statement in case.statements:
            self.tallies.setdefault(statement.label, Tally()).add(statement)
        for statement in case.statements:
            if statement.holds is False and statement.promised:
                kept = self.found.setdefault(statement.label, [])
                if len(kept) < KEPT:
                    kept.append(case.reproducer())
                break
        self.seconds += time.process_time() - started
        return case

    @property
    def violations(self) -> int:
        return sum(tally.violations for tally in self.tallies.values())

    def plain(self) -> dict[str, Any]:
        return dict(
            cases=self.cases,
            seconds=round(self.seconds, 1),
            violations=self.violations,
            refused=dict(sorted(self.refused.items())),
            statements={label: tally.plain() for label, tally in sorted(self.tallies.items())},
            reproducers=self.found,
        )


def fuzz(checks: list[Check], seed: int, *, minutes: float | None = None, cases: int | None = None) -> None:
    """Run the checks side by side, `cases` of each, or for so many minutes, each its share by weight.

    Every case is independent of the others, so that a longer run begins with the cases of a shorter one.
    """
    if cases is not None:
        for check in checks:
            for index in range(check.cases, cases):
                check.run(seed, index)
        return
    assert minutes is not None
    started = time.perf_counter()
    while time.perf_counter() - started < 60 * minutes:
        behind = min(checks, key=lambda check: check.seconds / check.weight)
        for _ in range(20):
            behind.run(seed, behind.cases)


def dumps(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
