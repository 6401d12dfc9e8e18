"""Traces of LancBiO and SubBiO with A_k, J_k, b_k, c_k given outright: dynamic Lanczos alone, in exact arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

from ..random_bits import Bits, rows_of
from .trace import TraceCase

LANCBIO = [
    "restart: v_bar = v, w = A_k v_bar, q_1 = (b_k - w)/||b_k - w||, beta_1 = 0, T and Q empty",
    "u = A_k q_j - beta_j q_{j-1}; alpha_j = q_j^T u; omega = u - alpha_j q_j",
    "beta_{j+1} = ||omega||; q_{j+1} = omega/beta_{j+1}",
    "dv = Q_j T_j^{-1} Q_j^T (b_k - w); v_k = v_bar + dv; h_k = c_k - J_k v_k",
    "[A_1 q_1, ..., A_j q_j] = Q_j T_j + beta_{j+1} q_{j+1} e_j^T",
]
SUBBIO = [
    "S_k = span{b_k, (I - eta A_k) v_{k-1}}; v_k = argmin over S_k of (1/2) v^T A_k v - v^T b_k",
    "h_k = c_k - J_k v_k",
]

Rows = list[list[Fraction]]


def product(F: Rows, G: Rows) -> Rows:
    """F Gᵀ."""
    return [[sum((a * b for a, b in zip(row, other, strict=True)), Fraction(0)) for other in G] for row in F]


def moving(
    bits: Bits, count: int, n_x: int, n_y: int, *, moves: str = "AJbc", speed: Fraction = Fraction(1, 8)
) -> dict[str, list[Any]]:
    """A_k = F_kF_kᵀ + D, positive definite, and J_k, b_k, c_k; those in `moves` change with k, by about `speed`."""
    F, J = rows_of(bits, n_y, n_y, -1, 1, 2), rows_of(bits, n_x, n_y, -2, 2, 3)
    b, c, D = bits.dyadics(n_y, -2, 2, 4), bits.dyadics(n_x, -2, 2, 4), bits.dyadics(n_y, 0, 1, 2)
    sequence: dict[str, list[Any]] = {"A": [], "J": [], "b": [], "c": []}
    for _ in range(count):
        Fk = _moved(F, rows_of(bits, n_y, n_y, -1, 1, 2), speed) if "A" in moves else F
        A = product(Fk, Fk)
        for i, d in enumerate(D):
            A[i][i] += d
        sequence["A"].append(A)
        sequence["J"].append(_moved(J, rows_of(bits, n_x, n_y, -1, 1, 2), speed) if "J" in moves else J)
        sequence["b"].append(_moved([b], rows_of(bits, 1, n_y, -2, 2, 2), speed * 2)[0] if "b" in moves else b)
        sequence["c"].append(_moved([c], rows_of(bits, 1, n_x, -2, 2, 2), speed)[0] if "c" in moves else c)
    return sequence


def _moved(M: Rows, E: Rows, speed: Fraction) -> Rows:
    return [[a + speed * e for a, e in zip(row, other, strict=True)] for row, other in zip(M, E, strict=True)]


# n_x, n_y, iterations, subspace, what moves, why
LANCBIO_CASES: list[tuple[int, int, int, Any, str, str]] = [
    (4, 6, 9, 3, "AJbc", "Three subspaces of dimension 3; A, J, b and c move in every iteration."),
    (3, 5, 6, 1, "AJbc", "m = 1: every iteration restarts, and T is a number."),
    (7, 5, 8, 2, "AJbc", "m = 2; more upper than lower variables."),
    (3, 8, 8, 4, "AJbc", "Two subspaces of dimension 4."),
    (2, 6, 6, 3, "b", "Only b moves: T is that of one A, and the right-hand side is Q^T (b_k - w), not ||r_0|| e_1."),
    (2, 6, 6, 3, "A", "Only A moves: w stays that of the last restart, and T is not Q^T A Q of any one A."),
    (2, 6, 6, 6, "", "Nothing moves: Lanczos for one A; v_6 = A^-1 b, and beta_7 = 0."),
    (
        3,
        6,
        12,
        {"initial": 1, "growth": Fraction(3, 2), "every": 3, "maximum": 4},
        "AJbc",
        "The published schedule: m grows at k mod f = f - 1; restarts at k mod m = 1, and at m_max vectors.",
    ),
    (4, 10, 5, 5, "AJbc", "One subspace of dimension 5 that is never restarted."),
    (1, 4, 8, 4, "Jbc", "A stays, b moves, two subspaces; n_x = 1."),
]


def cases() -> Iterator[tuple[str, Any]]:
    for number, spec in enumerate(LANCBIO_CASES, 1):
        id = f"lancbio-sequence-{number:03d}"
        yield id, lambda id=id, spec=spec: lancbio_case(id, *spec)
    for number, (key, build) in enumerate(SPECIAL.items(), len(LANCBIO_CASES) + 1):
        id = f"lancbio-sequence-{number:03d}"
        yield id, lambda id=id, build=build, key=key: build(id, key)
    later = len(LANCBIO_CASES) + len(SPECIAL) + 1
    for number, spec in enumerate(SCHEDULE_CASES, later):
        id = f"lancbio-sequence-{number:03d}"
        yield id, lambda id=id, spec=spec: lancbio_case(id, *spec)
    last = later + len(SCHEDULE_CASES)
    yield f"lancbio-sequence-{last:03d}", lambda: singular_early(f"lancbio-sequence-{last:03d}", "singular, with room")
    for number, subbio in enumerate(SUBBIO_CASES, 1):
        id = f"subbio-sequence-{number:03d}"
        yield id, lambda id=id, spec=subbio: subbio_case(id, *spec)
    for method, before in (("lancbio", last), ("subbio", len(SUBBIO_CASES))):
        options: list[tuple[Any, ...]] = [*INDEFINITE[method], *SCALES]
        for number, option in enumerate(options, before + 1):
            id, make = f"{method}-sequence-{number:03d}", scaled if option in SCALES else negative
            yield id, lambda id=id, make=make, option=option: make(id, *option)


def lancbio_case(id: str, n_x: int, n_y: int, count: int, subspace: Any, moves: str, why: str) -> TraceCase:
    bits = Bits(id)
    parameters = {"n_x": n_x, "n_y": n_y, "moves": moves}
    sequence = moving(bits, count, n_x, n_y, moves=moves)
    v0 = bits.dyadics(n_y, -1, 1, 2)
    return _case(id, sequence, {"subspace": subspace}, v0, why, parameters, rational=isinstance(subspace, int))


def _case(
    id: str,
    sequence: Any,
    options: dict[str, Any],
    v0: list[Fraction],
    why: str,
    parameters: dict[str, Any],
    rational: bool = True,
) -> TraceCase:
    method = id.partition("-")[0]
    return TraceCase(
        id=id,
        method=method,
        options=options,
        x0=[Fraction(0)] * len(sequence["c"][0]),
        y0=[Fraction(0)] * len(v0),
        v0=v0,
        iterations=len(sequence["A"]),
        why=why,
        equations=LANCBIO if method == "lancbio" else SUBBIO,
        recipe="sequences",
        parameters=parameters,
        sequence=sequence,
        rational=rational,
    )


def _rows(text: str) -> Rows:
    return [[Fraction(t) for t in row.split()] for row in text.split(";")]


def indefinite(id: str, key: str) -> TraceCase:
    """A_1 turns q_1 far from an eigenvector, A_2 is small: α_1α_2 < β_2²."""
    bits = Bits(id)
    n_x, n_y = 2, 4
    sequence = moving(bits, 6, n_x, n_y, moves="Jbc")
    one = _rows("2 15/8 0 0; 15/8 2 0 0; 0 0 1 1/4; 0 0 1/4 1")
    two = _rows("2 1/16 0 0; 1/16 1/8 0 0; 0 0 1 0; 0 0 0 2")
    sequence["A"] = [one, two, one, two, one, two]
    sequence["b"] = [
        [Fraction(1), t, Fraction(1, 8) * t, -t / 4] for t in map(Fraction, ("0", "1/4", "1/8", "1/2", "1/4", "1/8"))
    ]
    why = "A moves so far that T is indefinite, though every A_k is positive definite: T must be solved, not refused."
    return _case(id, sequence, {"subspace": 3}, [Fraction(0)] * 4, why, {"case": key})


def breakdown(id: str, key: str) -> TraceCase:
    """b_1 − w lies in a space of dimension 2 that A leaves invariant."""
    bits = Bits(id)
    sequence = moving(bits, 6, 3, 5, moves="Jc")
    block, other = rows_of(bits, 2, 2, -1, 1, 2), rows_of(bits, 3, 3, -1, 1, 2)
    A = [[Fraction(0)] * 5 for _ in range(5)]
    for part, first in ((block, 0), (other, 2)):
        for i, row in enumerate(product(part, part)):
            for j, t in enumerate(row):
                A[first + i][first + j] = t + (i == j)
    sequence["A"] = [A] * 6
    zero = Fraction(0)
    two, rest = bits.dyadics(2, -2, 2, 3), bits.dyadics(5, -2, 2, 3)
    sequence["b"] = [[*two, zero, zero, zero]] * 2 + [rest] * 4
    why = "The subspace is invariant after two steps (beta_3 = 0): v_2 stays, and the next iteration restarts early."
    return _case(id, sequence, {"subspace": 4}, [zero] * 5, why, {"case": key})


def exact_right_side(id: str, key: str) -> TraceCase:
    """b_1 = A_1 v_0."""
    bits = Bits(id)
    sequence = moving(bits, 5, 3, 5)
    v0 = bits.dyadics(5, -1, 1, 2)
    sequence["b"][0] = [sum((a * t for a, t in zip(row, v0, strict=True)), Fraction(0)) for row in sequence["A"][0]]
    why = "b_1 = A_1 v_0: there is no direction; v_1 = v_0, and iteration 2 restarts."
    return _case(id, sequence, {"subspace": 3}, v0, why, {"case": key})


def singular(id: str, key: str) -> TraceCase:
    """α_1α_2 = β_2² with A_1, A_2 positive definite, and q_1 = e_1."""
    bits = Bits(id)
    sequence = moving(bits, 5, 2, 2, moves="Jc")
    sequence["A"] = [_rows(t) for t in ("2 2; 2 4", "2 1; 1 2", "3 1; 1 2", "2 1; 1 3", "2 1/2; 1/2 1")]
    sequence["b"] = [[Fraction(4), Fraction(0)]] * 2 + [bits.dyadics(2, -2, 2, 3) for _ in range(3)]
    why = "T_2 = [[2, 2], [2, 2]] is singular, exactly so in floating point: v_2 = v_1, and iteration 3 restarts."
    return _case(id, sequence, {"subspace": 3}, [Fraction(0)] * 2, why, {"case": key})


def singular_early(id: str, key: str) -> TraceCase:
    """The same in the first two of four dimensions, m = 4: only the singular T is a reason to restart."""
    bits = Bits(id)
    sequence = moving(bits, 7, 2, 4, moves="Jc")
    ends = ("2 2; 2 4", "2 1; 1 2", "3 1; 1 2", "2 1; 1 3", "2 1/2; 1/2 1", "3 1/2; 1/2 2", "2 1/4; 1/4 1")
    sequence["A"] = [_rows(f"{row.split(';')[0]} 0 0; {row.split(';')[1]} 0 0; 0 0 2 1/2; 0 0 1/2 1") for row in ends]
    generic = [bits.dyadics(4, -2, 2, 3) for _ in ends[2:]]
    sequence["b"] = [[Fraction(4), Fraction(0), Fraction(0), Fraction(0)]] * 2 + generic
    why = "T_2 is singular with room for two more vectors: v_2 = v_1, and iteration 3 restarts for no other reason."
    return _case(id, sequence, {"subspace": 4}, [Fraction(0)] * 4, why, {"case": key})


# n_y, A_k less this times I in the even iterations (0: only the last diagonal entry is < 0), result, why
INDEFINITE: dict[str, list[tuple[int, int, str, str]]] = {
    "lancbio": [
        (
            5,
            3,
            "valid",
            "A_2, A_4, … have negative eigenvalues, and alpha_j < 0 inside a subspace: T is solved as it is.",
        ),
        (4, 2, "valid", "The same, less far: T is indefinite with alpha_j of either sign."),
    ],
    "subbio": [
        (5, 0, "valid", "A_2, A_4, … are indefinite but positive on S_k, where the minimizer exists."),
        (
            4,
            3,
            "acceptable",
            "S_k^T A_k S_k is indefinite: its Galerkin solution, which is no minimizer, or a rejection.",
        ),
    ],
}
# exponents of two of A_k and b_k, result, why
SCALES: list[tuple[int, int, str, str]] = [
    (300, 300, "valid", "A_k and b_k of size 2^300: no threshold may be absolute, and no determinant be formed."),
    (-300, -300, "valid", "A_k and b_k of size 2^-300: beta and ||b_k - w|| are far from zero all the same."),
    (0, -300, "valid", "b_k, v_k and h_k of size 2^-300."),
    (600, 600, "acceptable", "The squares overflow: scale by powers of two, or say that it is too much."),
    (-600, -600, "acceptable", "The squares underflow: scale by powers of two, or say that it is too little."),
    (0, -600, "acceptable", "b_k, v_k and h_k of size 2^-600, whose squares underflow: b_k = w only seems to hold."),
]


def negative(id: str, n_y: int, shift: int, result: str, why: str) -> TraceCase:
    """The even A_k less `shift` times I; where that is 0, the last variable is apart and its entry −¼ in turn."""
    bits, lancbio = Bits(id), id.startswith("lancbio")
    sequence = moving(bits, 8, 2, n_y)
    v0 = bits.dyadics(n_y, -1, 1, 2)
    for k, (A, b) in enumerate(zip(sequence["A"], sequence["b"], strict=True), 1):
        for i in range(n_y):
            A[i][i] -= shift * (k % 2 == 0)
        if not shift:
            for i in range(n_y - 1):
                A[i][-1] = A[-1][i] = Fraction(0)
            A[-1][-1], b[-1], v0[-1] = Fraction(1) if k % 2 else Fraction(-1, 4), b[-1] / 16, Fraction(0)
    options: dict[str, Any] = {"subspace": 4} if lancbio else {"step_v": Fraction(1, 4)}
    case = _case(id, sequence, options, v0, why, {"n_y": n_y, "shift": shift})
    return replace(case, result=result)


def scaled(id: str, of_A: int, of_b: int, result: str, why: str) -> TraceCase:
    """A_k times 2^of_A, b_k times 2^of_b, v_0, c_k times their ratio."""
    bits, lancbio = Bits(id), id.startswith("lancbio")
    sequence = moving(bits, 6, 3, 5)
    unit, right = Fraction(2) ** of_A, Fraction(2) ** of_b
    ratio = right / unit
    sequence["A"] = [[[t * unit for t in row] for row in A] for A in sequence["A"]]
    for key, factor in (("b", right), ("c", ratio)):
        sequence[key] = [[t * factor for t in column] for column in sequence[key]]
    options: dict[str, Any] = {"subspace": 3} if lancbio else {"step_v": Fraction(1, 4) / unit}
    v0 = [t * ratio for t in bits.dyadics(5, -1, 1, 2)]
    case = _case(id, sequence, options, v0, why, {"exponent_A": of_A, "exponent_b": of_b})
    return replace(case, result=result)


SPECIAL = {"indefinite": indefinite, "breakdown": breakdown, "exact": exact_right_side, "singular": singular}
# as LANCBIO_CASES; behind the special ones, whose numbers must stay
SCHEDULE_CASES: list[tuple[int, int, int, Any, str, str]] = [
    (
        3,
        9,
        15,
        {"initial": 2, "growth": Fraction(3, 2), "every": 3, "maximum": 8},
        "AJbc",
        "m = 2, 3, 5, 8: each is the ceiling of 3/2 times the one before, neither rounded, nor one more, "
        "nor 2 (3/2)^i.",
    ),
    (
        2,
        8,
        14,
        {"initial": 2, "growth": Fraction(5, 4), "every": 2, "maximum": 7},
        "AJbc",
        "m = 3, 4, 5, 7, the first growth at k = 1: each is the ceiling of 5/4 times the one before, "
        "where rounding fails.",
    ),
    (2, 4, 10, 6, "AJbc", "m = 6 and four variables: the basis fills the space, and iteration 5 restarts."),
]

# n_x, n_y, iterations, eta, what moves, start, why
SUBBIO_CASES: list[tuple[int, int, int, Fraction, str, str, str]] = [
    (4, 6, 6, Fraction(1, 4), "AJbc", "generic", "A, J, b and c move in every iteration."),
    (7, 5, 6, Fraction(1, 8), "AJbc", "generic", "More upper than lower variables; a shorter step eta."),
    (3, 6, 5, Fraction(1, 4), "AJbc", "zero", "v_0 = 0: the second direction is zero, and S_1 is a line."),
    (
        2,
        5,
        5,
        Fraction(1, 4),
        "AJbc",
        "parallel",
        "A_1 = 2 I and v_0 = 3 b_1: the directions are parallel, and S_1 is a line.",
    ),
    (
        2,
        4,
        4,
        Fraction(1, 4),
        "AJc",
        "no right side",
        "b_2 = 0: S_2 is the line of (I - eta A) v, and v_2 = 0; then S_3 is that of b_3.",
    ),
    (3, 6, 6, Fraction(1, 2), "b", "generic", "Only b moves."),
]


def subbio_case(id: str, n_x: int, n_y: int, count: int, eta: Fraction, moves: str, start: str, why: str) -> TraceCase:
    bits = Bits(id)
    sequence = moving(bits, count, n_x, n_y, moves=moves)
    v0 = bits.dyadics(n_y, -1, 1, 2)
    if start == "zero":
        v0 = [Fraction(0)] * n_y
    elif start == "parallel":
        sequence["A"][0] = [[Fraction(2 * (i == j)) for j in range(n_y)] for i in range(n_y)]
        v0 = [3 * t for t in sequence["b"][0]]
    elif start == "no right side":
        sequence["b"][1] = [Fraction(0)] * n_y
    return _case(id, sequence, {"step_v": eta}, v0, why, {"n_x": n_x, "n_y": n_y, "moves": moves, "start": start})
