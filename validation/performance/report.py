"""REPORT.md and its figure from results.json; every number in it comes from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

OURS, NONE, JACOBI = "lancbio_ref", "lancbio_ref, none", "lancbio_ref, diag(A)⁻¹"
LABELS = {"Lanczos process, none": "process, `none`", "lanczos_solve, none": "solve, `none`",
          "lanczos_solve, selective": "solve, `selective`"}  # fmt: skip


def render(found: dict[str, Any]) -> str:
    """The report."""
    parts = (bandwidth, operators, lanczos_step, hypergradient, outer_iteration, scaling, startup)
    lines = [HEAD, *machine(found["machine"])]
    for part in parts:
        if part.__name__ in found:
            heading, *rest = part(found[part.__name__], found)
            where = found["machines"][part.__name__]
            lines += ["", heading, *(machine(where) if where != found["machine"] else ()), *rest]
    return "\n".join(lines) + "\n\n![ratios](performance.png)\n"


HEAD = """# How fast it is, and beside whom

Rendered from `results.json` by `make bench`, which measures everything in one go: each part in a process of its own,
bound to as many cores as it has threads; everybody in turn, three rounds of short series; medians, with quartiles in brackets. **Ratios
are the result**, times are context. Targets are those that arithmetic on memory traffic said were within reach; where one is
missed, the reason stands beside it. [docs/performance.md](../../docs/performance.md) says what bounds each operation."""


def machine(m: dict[str, Any]) -> Iterator[str]:
    yield ""
    packages = ", ".join(f"{name} {number}" for name, number in m["packages"].items())
    yield f"*{m['processor']}, {m['cores']} cores; {m['system']}, Python {m['python']}; {packages}*"


def ms(times: dict[str, float]) -> str:
    return f"{1e3 * times['median']:.3g} [{1e3 * times['low']:.3g}, {1e3 * times['high']:.3g}]"


def table(header: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def verdict(ratio: float, target: float, *, least: bool = False) -> str:
    """A ratio beside its target, which is a largest one, or a least one."""
    met = ratio >= target if least else ratio <= target
    return f"{ratio:.2f} ({'met' if met else 'missed'}: {'at least' if least else 'at most'} {target:g})"


def bandwidth(part: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    yield "## Bandwidth"
    yield ""
    yield (
        "Triad a ← b + s c, three arrays of 2·10⁷, 24 bytes an entry: "
        + "; ".join(
            f"{threads} thread{'s' * (threads != '1')} {one['bytes_per_second'] / 1e9:.1f} GB/s"
            for threads, one in part.items()
        )
        + "."
    )


def operators(part: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    yield "## Operators: one product"
    yield ""
    yield "*bytes* is the least that a product must move; *of the triad* is that divided by time and by the triad's bandwidth"
    yield "(more than 1: the data were in a cache)."
    yield ""
    rows = []
    for threads, one in part.items():
        triad = found["bandwidth"][threads]["bytes_per_second"] if "bandwidth" in found else float("nan")
        for r in one["rows"]:
            speed = r["bytes"] / r["ours"]["median"]
            rows.append([r["operator"], r["size"], threads, ms(r["ours"]), f"{r['peer']}: {ms(r['peer_times'])}",
                         f"{r['peer_times']['median'] / r['ours']['median']:.2f}", f"{speed / triad:.2f}"])  # fmt: skip
    yield from table(["operator", "size", "threads", "ms", "beside, ms", "times faster", "of the triad"], rows)


def lanczos_step(part: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    yield "## The vector work of a Lanczos step, beside SciPy's cg"
    yield ""
    yield "Products excluded; 100 steps with a diagonal operator. Ratio to cg's vector work in the same run. A step of the"
    yield "process moves at least 72n bytes."
    yield ""
    targets = {("Lanczos process, none", "1"): 0.9, ("Lanczos process, none", "2"): 0.45,
               ("lanczos_solve, selective", "1"): 1.2, ("lanczos_solve, selective", "2"): 0.7}  # fmt: skip
    rows = []
    for threads, one in part.items():
        triad = found["bandwidth"][threads]["bytes_per_second"] if "bandwidth" in found else float("nan")
        for r in one["rows"]:
            for label, name in LABELS.items():
                if label not in r:
                    continue
                ratio = r[label]["median"] / r["scipy cg"]["median"]
                target = targets.get((label, threads)) if r["n"] == 10**6 and "linear" in r["spectrum"] else None
                share = f"{72 * r['n'] / r[label]['median'] / triad:.2f}" if label == "Lanczos process, none" else ""
                rows.append([f"{r['spectrum']}, n = {r['n']:.0e}", name, threads, ms(r[label]), ms(r["scipy cg"]),
                             verdict(ratio, target) if target else f"{ratio:.2f}", share])  # fmt: skip
    yield from table(["spectrum", "", "threads", "ms a step", "cg", "ratio", "72n bytes, of the triad"], rows)
    yield ""
    yield NOTES["lanczos_step"]


def hypergradient(part: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    yield "## A hyper-gradient of logistic regression"
    yield ""
    yield "y* fixed, one exp(x_j) ridge a feature, relative residual 1e-6 from zero. Ours has its certificate; *error* is the true"
    yield "one. *times faster* is the fastest peer's time over ours, *first* the first call with its compilation."
    targets = {"dense 200 × 20": 0.67, "dense 2000 × 100": 1.2, "dense 6000 × 300": 1.5, "dense 20000 × 500": 2.0,
               "dense 20000 × 500, columns of many scales": 3.0}  # fmt: skip
    for threads, one in part.items():
        for r in one["rows"]:
            yield ""
            yield f"**{r['case']}, {threads} thread{'s' * (threads != '1')}**"
            yield ""
            peers = {k: t for k, t in r["times"].items() if k not in (OURS, NONE, JACOBI)}
            fastest = min(t["median"] for t in peers.values())
            rows = []
            for name, error in r["errors"].items():
                if name not in r["times"]:
                    rows.append([name, f"could not run: {error}", "", "", ""])
                    continue
                t = r["times"][name]
                ratio = ""
                if name in (OURS, NONE, JACOBI):
                    value = fastest / t["median"]
                    relevant = (name == JACOBI) == ("scales" in r["case"])
                    target = targets.get(r["case"]) if relevant else None
                    ratio = verdict(value, target, least=True) if target else f"{value:.2f}"
                    if "CSR" in r["case"] and name in (OURS, NONE):
                        jaxopt = next((x["median"] for k, x in peers.items() if k.startswith("jaxopt")), None)
                        scipy = next(x["median"] for k, x in peers.items() if "SciPy" in k) / t["median"]
                        ratio = "SciPy: " + verdict(scipy, 1.0 if threads == "1" else 1.4, least=True)
                        if jaxopt:
                            ratio += "; jaxopt: " + verdict(jaxopt / t["median"], 4.0, least=True)
                rows.append([name, ms(t), f"{1e3 * t['first']:.3g}", f"{error:.1e}", ratio])
            yield from table(["", "ms", "first", "error", "times faster"], rows)
    yield ""
    yield NOTES["hypergradient"]


def outer_iteration(part: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    yield "## A LancBiO iteration"
    yield ""
    yield "*own* is what an iteration takes beyond the problem's callables and products (N = 5 gradients, about one product)."
    yield ""
    rows = []
    for threads, one in part.items():
        for r in one["overhead"]:
            own, total = r["own"]["median"], r["iteration"]["median"]
            target = verdict(own * 1e6, 60) + " µs" if r["n"] == 100 else verdict(own / (total - own), 0.1)
            rows.append([str(r["n"]), threads, ms(r["iteration"]), f"{own * 1e6:.0f} µs", target])
    yield from table(["n", "threads", "iteration, ms", "own", "own, in µs, or beside the rest"], rows)
    yield ""
    yield NOTES["outer_iteration"]
    one = next(iter(part.values()))["sequence"]
    yield ""
    yield f"**Fifty steps of x** (logistic regression, {one['n']} × {one['p']}): the loosest tolerance with which every step's"
    yield f"hyper-gradient is right to {one['target']:g}; LancBiO has no tolerance, and its error is what it is."
    yield ""
    rows = [[r["name"], f"{r['rtol']:.1e}" if r["rtol"] else "–", str(r["products"]), f"{r['seconds']:.3f}", f"{r['worst']:.1e}",
             f"{r['last']:.1e}" if "last" in r else ""] for r in one["rows"]]  # fmt: skip
    yield from table(["", "tolerance", "products", "seconds", "worst error", "last error"], rows)
    yield ""
    yield NOTES["sequence"]


def scaling(part: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    yield "## Matrix-free, from n = 10⁴ to 10⁷"
    yield ""
    yield "LancBiO, m = 10, N = 5, Householder rotation. *memory* is what problem, start and iterations add to the process."
    yield ""
    rows = []
    for threads, one in part.items():
        for r in one["rows"]:
            added = r["most"] - r["before"]
            rows.append([f"{r['n']:.0e}", threads, ms(r["iteration"]), f"{1e9 * r['iteration']['median'] / r['n']:.0f}",
                         f"{added / 1e6:.0f}", f"{r['allowed'] / 1e6:.0f} ({'met' if added <= r['allowed'] else 'missed'})"])  # fmt: skip
    yield from table(["n", "threads", "ms an iteration", "ns an entry", "memory, MB", "(m + 20)·8n + 50 MB"], rows)
    yield ""
    yield (
        "Fitted exponent of the time: "
        + "; ".join(
            f"{threads} thread{'s' * (threads != '1')} {verdict(one['exponent'], 1.05)}"
            for threads, one in part.items()
        )
        + ". "
        + NOTES["scaling"]
    )
    for one in part.values():
        if "long" in one:
            r = one["long"]
            yield ""
            yield f"n = {r['n']:.0e}, {r['iterations']} iterations in one go: {r['seconds']:.0f} s, {ms(r['iteration'])} ms each."


def startup(part: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    yield "## Starting"
    yield ""
    one = next(iter(part.values()))
    ratio = verdict(one["import ratio"], 1.15) + " times that"
    yield from table(
        ["", "seconds, a new process", ""],
        [
            ["`import numba, scipy.sparse.linalg`", f"{one['numba and scipy']:.2f}", ""],
            ["`import lancbio_ref`", f"{one['lancbio_ref']:.2f}", "" if "modules" in one else ratio],
            *(
                [["`from lancbio_ref import hypergradient`", f"{one['its hypergradient']:.2f}", ratio]]
                if "modules" in one
                else []
            ),
            [
                "first hyper-gradient, kernels cached",
                f"{one['first hyper-gradient']:.2f}",
                verdict(one["first hyper-gradient"], 1),
            ],
            ["every kernel compiled anew, and run", f"{one['compile']:.1f}", verdict(one["compile"], 20)],
        ],
    )
    yield ""
    if "modules" in one:
        yield "What `from lancbio_ref import hypergradient` is made of (`python -X importtime`, what a module imports left out):"
        yield ""
        yield from table(["", "ms"], [[name, f"{ms:.1f}"] for name, ms in one["modules"]])
        yield ""
    yield NOTES["startup"]


def figure(found: dict[str, Any], path: Path) -> None:
    """Times of a hyper-gradient, everybody's over ours."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    if "hypergradient" not in found:
        return
    part = found["hypergradient"]
    fig, axes = plt.subplots(1, len(part), figsize=(6 * len(part), 4), sharey=True, layout="constrained")
    for ax, (threads, one) in zip(axes if len(part) > 1 else [axes], part.items(), strict=True):
        names = list(dict.fromkeys(name for r in one["rows"] for name in r["times"]))
        width = 0.8 / len(names)
        for i, name in enumerate(names):
            values = [
                r["times"][name]["median"] / r["times"][OURS]["median"] if name in r["times"] else 0
                for r in one["rows"]
            ]
            ax.bar([k + i * width for k in range(len(values))], values, width, label=name)
        ax.axhline(1, color="black", linewidth=0.8)
        ax.set_yscale("log")
        ax.set_xticks(
            [k + 0.4 for k in range(len(one["rows"]))], [r["case"].replace(", ", "\n") for r in one["rows"]], fontsize=8
        )
        ax.set_title(f"{threads} thread{'s' * (threads != '1')}")
    (axes[0] if len(part) > 1 else axes).set_ylabel("time of a hyper-gradient, ours = 1")
    handles, labels = (axes[0] if len(part) > 1 else axes).get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    fig.savefig(path, dpi=110)
    plt.close(fig)


NOTES = {
    "lanczos_step": """*Missed, where it says so: two threads.* What the second thread would still save is eaten by waking it three times a step; one pass less
(q_{j+1} normalized while x is updated) would change that, at the price of a process that knows of x. `selective` stores its basis: the first
touch of 8 MB costs as much as a whole step. Inside one `minimize`, or one evaluation of a `HyperObjective`, solves keep their pages
(docs/decisions/0041). With a lognormal spectrum many Ritz pairs converge: each is read when it is due, and those that are due are formed from
one reading of the basis (docs/decisions/0050).""",
    "hypergradient": """*Missed: 200 × 20, 2000 × 100, and whatever else the tables call missed.* At 2000 × 100 the data lie in the cache, where two BLAS products are
nearly as fast as one pass of ours: 14 products are two thirds of the time, at a rate that is computing's (the same for 31 kB of data). At 200 × 20 the
thirteen steps are one compiled call of some 60 µs, and the point and its certificate, which the peers do not have, take as much again
(docs/decisions/0049). The second thread gains where memory is the limit, for the bus gives two threads less than twice what it gives one.
On CSR a product costs what SciPy's two cost (gathers and scattered additions, 0.7 ns each, whoever makes them), and the certificate
takes three of them beside the solve's 59: b − A v, |A||v| and ∇_y g. The default's reorthogonalization is a tenth of the time, which
the row `none` does without, as cg does. The
preconditioner wins 17 times and more where columns differ in scale and costs a third where they do not, so it is not the default:
docs/performance.md says when to ask for it. Where columns differ in scale nobody's residual of 1e-6 means an error of 1e-6 but the
preconditioned one's.""",
    "outer_iteration": """*Missed: n = 100 and n = 1000.* An iteration has seven vectors and two operators from the problem, each checked for shape, type and
finiteness (some 2 µs each, 25 in all with the Linearization), a Lanczos step (12 µs), a projection, a LAPACK call (5 µs), a combination, and a
State; at n = 1000 the projection on, and the combination of, 80 vectors, 1.3 MB beside the 8 MB of A.""",
    "sequence": """Warm starts save three products of four, and the certificate costs one product a step beside cg. LancBiO uses one or two products a
step, a tenth of warm cg's, and reaches a hundredth, not 1e-4: it never solves a system, it follows one.""",
    "scaling": """From 10⁴ to 10⁶ an entry costs the same. At 10⁷ every temporary of a formula is 80 MB that the system must first clear; a State holds a
dozen vectors, two of them live during an iteration, and the problem six more, which is what the memory column counts beyond m + 20. A
State that shares what has not changed until it is overwritten would save some ten vectors, and would no longer be one that can be kept.""",
    "startup": """The import's target is near. Nothing of SciPy or Numba is imported that `import numba, scipy.sparse.linalg` does not import. Half
of what is ours is Numba's: the first function that is decorated, in `kernels.dense`, sets its compiler up (40 ms here), as it does for whoever
decorates one, and each of the 75 others has its signature read; the other half is sixty modules, half a millisecond each. Loops that
decorate themselves when they are first called would move the one half to the first hyper-gradient, and cost each call a tenth of a
microsecond.""",
}
