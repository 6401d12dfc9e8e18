"""Two minutes: how many times faster than NumPy and SciPy a few operations are, beside the ratios that are committed.

    python validation/performance/smoke.py [--save] [--seconds 6] [CASE ...]

One thread; ours and the peer in turn, call by call, and the least time of each: what else the machine does falls on
both and is mostly left out. A ratio that fell by more than a tenth is named, and the exit code is 1. Ratios are those
of a processor: on one that `smoke.json` does not know nothing can fall, and ``--save`` puts it there.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from common import HERE, bind, clock

FALLEN = 0.9  # of the committed ratio
COMMITTED = HERE / "smoke.json"
Pair = tuple[Callable[[], object], Callable[[], object]]
PRODUCTS = {
    "product 200 × 20": (200, 20, "C", "float64"),
    "product 2000 × 100": (2000, 100, "C", "float64"),
    "product 2000 × 100, Fortran": (2000, 100, "F", "float64"),
    "product 2000 × 100, float32": (2000, 100, "C", "float32"),
    "product 20000 × 500": (20000, 500, "C", "float64"),
    "product 20000 × 500, Fortran": (20000, 500, "F", "float64"),
    "product 5000 × 2000": (5000, 2000, "C", "float64"),
}
SOLVES = {
    "hyper-gradient 200 × 20": (200, 20, None, False),
    "hyper-gradient 2000 × 100": (2000, 100, None, False),
    "hyper-gradient 6000 × 300": (6000, 300, None, False),
    "hyper-gradient 20000 × 500": (20000, 500, None, False),
    "hyper-gradient 5000 × 2000": (5000, 2000, None, False),
    "hyper-gradient CSR": (11000, 30000, 10**6, False),
}
CSR, SEVERAL, CLASSES = "product CSR", "5 products 20000 × 500", "hyper-gradient multinomial 600 × 65 × 10"
CASES = (*PRODUCTS, CSR, SEVERAL, *SOLVES, CLASSES)


def pair(name: str) -> Pair:
    """What `name` compares: ours, and NumPy's or SciPy's."""
    import hypergradient
    import multinomial

    if name in SOLVES:
        functions = hypergradient.candidates(1, *SOLVES[name], peers=False)[-1]
        return functions["lancbio_ref"], functions["NumPy product + SciPy cg"]
    if name == CLASSES:
        functions = multinomial.candidates(1, hypergradient.RTOL)[-1]
        return functions["lancbio_ref"], functions["NumPy product + SciPy cg"]
    return (
        sparse_product() if name == CSR else dense_product(*PRODUCTS.get(name, PRODUCTS["product 20000 × 500"]), name)
    )


def dense_product(n: int, p: int, order: str, kind: str, name: str) -> Pair:
    import numpy as np

    from lancbio_ref.operators import GeneralizedLinear

    rng = np.random.default_rng(0)
    X = np.asarray(rng.standard_normal((n, p)), kind, order=order)
    d, v = rng.random(n).astype(kind), rng.standard_normal(p if name != SEVERAL else (p, 5)).astype(kind)
    A, e = GeneralizedLinear(X, d, 0.5), d if v.ndim == 1 else d[:, None]
    product = A.matvec if v.ndim == 1 else A.matmat
    return lambda: product(v), lambda: X.T @ (e * (X @ v)) + X.dtype.type(0.5) * v


def sparse_product() -> Pair:
    import numpy as np
    import scipy.sparse as sp

    from lancbio_ref.operators import GeneralizedLinear

    rng = np.random.default_rng(0)
    S = sp.random_array((11000, 30000), density=1e6 / 33e7, rng=rng, format="csr")
    d, v, ST = rng.random(11000), rng.standard_normal(30000), S.T
    A = GeneralizedLinear(S, d, 0.5)
    return lambda: A.matvec(v), lambda: ST @ (d * (S @ v)) + 0.5 * v


def ratio(ours: Callable[[], object], peer: Callable[[], object], seconds: float) -> float:
    """The peer's least time over ours."""
    ours(), peer()
    least = [clock(ours), clock(peer)]
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        least = [min(least[0], clock(ours)), min(least[1], clock(peer))]
    return least[1] / least[0]


def lines(found: dict[str, float], committed: dict[str, float]) -> Iterator[tuple[str, bool]]:
    """One line a case, and whether its ratio fell."""
    for name, value in found.items():
        before = committed.get(name)
        fell = before is not None and value < FALLEN * before
        said = "not committed" if before is None else f"committed {before:.2f}" + (", FELL" if fell else "")
        yield f"{name:42} {value:6.2f} times faster ({said})", fell


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="; ".join(CASES))
    parser.add_argument("--save", action="store_true", help="commit these ratios, for this processor")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each case")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.cases if name not in CASES]:
        parser.error(f"unknown {', '.join(unknown)}; known: {'; '.join(CASES)}")
    bind(1)
    from run import machine, write

    processor = str(machine(1)["processor"])
    known = json.loads(COMMITTED.read_text()) if COMMITTED.exists() else {}
    found = {name: ratio(*pair(name), options.seconds) for name in options.cases or CASES}
    fallen = 0
    for line, fell in lines(found, known.get(processor, {})):
        print(line)
        fallen += fell
    if options.save:
        known.setdefault(processor, {}).update({name: round(value, 3) for name, value in found.items()})
        write(COMMITTED, json.dumps(known, indent=1, ensure_ascii=False) + "\n")
        return 0
    if processor not in known:
        print(f"{COMMITTED.name} has no ratios of {processor}: run it with --save on a quiet machine")
    return int(fallen > 0)


if __name__ == "__main__":
    sys.exit(main())
