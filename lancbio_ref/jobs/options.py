"""From the options of the command line to `Settings`: what ``lancbio-ref run`` and ``compare`` are told, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..arguments import as_choice, as_integer, as_number
from ..errors import ArgumentError
from ..methods import build, names
from .settings import (
    CLEANING,
    DEFAULT_METHODS,
    FINITE_SUMS,
    JOBS,
    KEPT,
    OPTIONS,
    PROBLEMS,
    Settings,
    default_options,
)


def make_settings(job: str, given: Mapping[str, Any]) -> Settings:
    """The one run that these options of ``lancbio-ref run`` ask for; None means the default.

    Raises
    ------
    ArgumentError
        An option that means nothing to this job or method, or a number out of range.
    """
    defaults, chosen = JOBS[as_choice("job", job, JOBS)], _chosen(given)
    about = _about(job, chosen, JOBS)
    name = as_choice("--method", chosen.get("method", "lancbio"), ("lancbio", "subbio"))
    options = default_options(job, name, about.get("condition"))
    for option in ("step_x", "step_y", "step_v", "inner_steps", "subspace"):
        if option not in chosen:
            continue
        if option not in OPTIONS[name]:
            raise ArgumentError(_flag(option), f"given for {name}", "this option with the other method only")
        if option.startswith("step"):
            options[option] = as_number(_flag(option), chosen[option], above=0.0)
        else:
            number = as_integer(_flag(option), chosen[option], least=1)
            options[option] = replace(options[option], maximum=number) if option == "subspace" else number
    maxiter = as_integer("--maxiter", chosen.get("maxiter", defaults["maxiter"]), least=1)
    return Settings(
        problem=job,
        methods={name: build(name, options)},
        seeds=(as_integer("--seed", chosen.get("seed", 1)),),
        maxiter={name: maxiter},
        every={name: largest_divisor(maxiter, defaults["every"])},
        given=about,
        out=Path(chosen.get("out") or Path("lancbio-runs", job)),
        batch_size={name: None},
        tol=as_number("--tol", chosen.get("tol", 0.0), least=0.0),
        certify=bool(chosen.get("certify", True)),
        quiet=bool(chosen.get("quiet")),
    )


def make_comparison(problem: str, given: Mapping[str, Any]) -> Settings:
    """The runs that these options of ``lancbio-ref compare`` ask for; None means the default.

    Raises
    ------
    ArgumentError
        An option that means nothing to this problem or method, or a number out of range.
    """
    defaults, chosen = PROBLEMS[as_choice("problem", problem, PROBLEMS)], _chosen(given)
    about = _about(problem, chosen, PROBLEMS)
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
    return Settings(
        problem=problem,
        methods=methods,
        seeds=parse_seeds(chosen.get("seeds", "1-3")),
        maxiter=maxiter,
        every=every,
        given=about,
        out=Path(chosen.get("out") or Path("lancbio-runs", f"compare-{problem}")),
        batch_size=batches,
        halve_from=halve_from,
        certify=bool(chosen.get("certify", True)),
        resume=bool(chosen.get("resume")),
        quiet=bool(chosen.get("quiet")),
    )


def _chosen(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _about(problem: str, chosen: Mapping[str, Any], problems: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What `problem`, one of `problems`, is made from: its defaults, and what was chosen in place of them."""
    about = {name: problems[problem][name] for name in KEPT if name in problems[problem]}
    for name in (name for name in KEPT if name in chosen):
        if name not in about:
            having = [other for other in problems if name in problems[other]]
            where = "the data-cleaning problems" if (*having,) == CLEANING else ", ".join(having)
            raise ArgumentError(_flag(name), f"given for {problem}", f"this option with {where} only")
        about[name] = chosen[name]
    limits: dict[str, dict[str, Any]] = dict(
        condition=dict(least=1.0), corruption=dict(least=0.0, most=1.0), regularization=dict(above=0.0)
    )
    for name in (name for name in limits if name in about):
        about[name] = as_number(_flag(name), about[name], **limits[name])
    for name, least in dict(n=1, train=2).items():
        if name in about:
            about[name] = as_integer(_flag(name), about[name], least=least)
    return about


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds such as ``1-10`` or ``1,3,7-9``, each once, in the order given.

    Examples
    --------
    >>> from lancbio_ref.jobs.options import parse_seeds
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
    >>> from lancbio_ref.jobs.options import parse_batch_size
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
        return largest_divisor(maxiter, max(1, maxiter // 100))
    every = as_integer("--every", given, least=1)
    if maxiter % every:
        raise ArgumentError("--every", every, f"a divisor of the {maxiter} iterations: the last one is recorded")
    return every


def largest_divisor(number: int, most: int) -> int:
    """The largest divisor of `number` that is at most `most`."""
    return max(d for d in range(1, most + 1) if number % d == 0)
