"""Checks of arguments, shared by every public entry point: convert, or raise :class:`ArgumentError`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.sparse import sparray, spmatrix
from scipy.sparse.linalg import LinearOperator

from .errors import ArgumentError
from .kernels import sum_entries

Operator = npt.ArrayLike | sparray | spmatrix | LinearOperator  # what `as_operator` takes
Seed = (
    int | np.random.SeedSequence | np.random.BitGenerator | np.random.Generator | np.random.RandomState | None
)  # what `as_generator` takes
BlockRows = int | Literal["auto"] | None  # rows of a block
Reorthogonalization = Literal["full", "selective", "partial", "local", "none"]

REAL, COMPLEX = "fd", "fdFD"
EXACT = 2**53  # float64 has all integers up to here


def as_array(name: str, value: Any, expected: str) -> np.ndarray:
    """`value` as an array in the machine's byte order; integers and booleans become float64, which must hold them.

    Raises
    ------
    ArgumentError
        No array; a masked array, whose mask would be dropped; an integer that float64 does not have.
    """
    array = plain_array(name, value, expected)
    if not isinstance(value, np.ndarray) and array.dtype.kind in "fc":
        _require_exact_numbers(name, value, array)
    if array.dtype.kind in "biu":
        array = exact_floats(name, array)
    if array.dtype.isnative:
        return array
    return array.astype(array.dtype.newbyteorder("="), copy=False)  # compiled loops know the machine's byte order only


def plain_array(name: str, value: Any, expected: str) -> np.ndarray:
    """What ``np.asarray`` makes of `value`, of any library whose arrays it takes; a row or column matrix is a vector.

    Raises
    ------
    ArgumentError
        What NumPy takes for no array, and why, with the remedy: ragged lists, tensors that require a gradient or lie on
        a device, traced values; a masked array, whose mask would be dropped.
    """
    if type(value) is np.ndarray:
        return value
    refuse_masked(name, value)
    try:
        array = np.asarray(value)
    except Exception as error:  # each library has its own
        why = str(error).strip().split("\n")[0].rstrip(".")
        remedy = ": t.detach().cpu().numpy() is one" if hasattr(value, "detach") else ""
        raise ArgumentError(name, f"an object that is no array ({why})", expected + remedy) from None
    if isinstance(value, np.ndarray) or array.flags.writeable:
        return array
    return array.copy()  # JAX shows its own memory: what is ours may be written to, and compiled loops know one kind


def exact_floats(name: str, integers: np.ndarray) -> np.ndarray:
    """Integers or booleans as float64; :class:`ArgumentError` where an entry would be rounded."""
    if integers.dtype.itemsize == 8 and integers.size:
        for number in integers[(integers > EXACT) | (integers < -EXACT)].ravel():
            _require_exact(name, int(number))
    return integers.astype(np.float64)


def refuse_masked(name: str, value: Any) -> None:
    """:class:`ArgumentError` for a masked array, alone or in a list: NumPy would go on with what the mask hides."""
    if isinstance(value, np.ma.MaskedArray):
        raise ArgumentError(name, "a masked array", "an ordinary one: a.filled(value) or a.compressed()")
    if isinstance(value, (list, tuple)):
        for part in value:
            if isinstance(part, (list, tuple, np.ma.MaskedArray)):
                refuse_masked(name, part)


def _require_exact(name: str, number: int) -> None:
    try:
        exact = int(float(number)) == number
    except OverflowError:
        exact = False
    if not exact:
        raise ArgumentError(name, f"the integer {number}", "integers that float64 has, or floats: round them yourself")


def _require_exact_numbers(name: str, value: Any, array: np.ndarray) -> None:
    """Of a list of integers and floats NumPy makes floats, in silence; where one is large, the integers are tested."""
    if array.size and not (np.abs(array[np.isfinite(array)]).max(initial=0.0) < EXACT):
        for number in _leaves(value):
            if isinstance(number, (int, np.integer)):
                _require_exact(name, int(number))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, np.ndarray) and value.dtype.kind in "iu":
        yield from value.ravel()
    else:
        yield value


def as_vector(name: str, value: Any, size: int | None = None, *, kinds: str = REAL) -> np.ndarray:
    """A finite 1-D array of a floating-point type; integers become float64, which must hold them."""
    is_plain = type(value) is np.ndarray and value.dtype.char in kinds and value.dtype.isnative and value.size > 0
    if is_plain and value.shape == (size or value.size,) and _sum_is_finite(value):  # as nearly always
        return value
    array = as_array(name, value, "a 1-D array of numbers")
    if array.dtype.char not in kinds:
        raise ArgumentError(name, f"dtype {array.dtype}", f"a 1-D array of {type_names(kinds)}")
    if isinstance(value, np.matrix) and 1 in array.shape:  # which is never 1-D
        array = array.ravel()
    if array.ndim != 1:
        raise ArgumentError(name, f"shape {array.shape}", "a 1-D array (flatten a matrix in C order)")
    if array.size == 0:
        raise ArgumentError(name, "an empty array", "at least one entry")
    if size is not None and array.size != size:
        raise ArgumentError(name, f"shape {array.shape}", f"shape ({size},)")
    if not _sum_is_finite(array) and not np.isfinite(array).all():
        index = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ArgumentError(name, f"{array[index]} at index {index}", "finite numbers")
    return array


def _sum_is_finite(array: np.ndarray) -> bool:
    """Of a vector; then all its entries are. The sum of a long one, or of large numbers, may say less than is true."""
    return array.flags.carray and array.dtype.char in REAL and math.isfinite(sum_entries(array))


def as_point(name: str, value: Any, n_x: int, n_y: int) -> tuple[np.ndarray, np.ndarray]:
    """The pair (x, y) of real vectors of these lengths; they may be infinite, for runs that diverge come by here."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ArgumentError(name, f"{type(value).__name__}", "a pair (x, y)")
    point = []
    for part, size, letter in zip(value, (n_x, n_y), "xy", strict=True):
        array = as_array(name, part, f"{letter} as a 1-D array of numbers")
        if array.dtype.char not in REAL or array.shape != (size,):
            found = f"{letter} of shape {array.shape}, dtype {array.dtype}"
            raise ArgumentError(name, found, f"{letter} of shape ({size},), {type_names(REAL)}")
        point.append(array)
    return point[0], point[1]


def as_type(name: str, array: np.ndarray, dtype: Any) -> np.ndarray:
    """A finite `array` in `dtype`; :class:`ArgumentError` where a narrower type has no such number."""
    with np.errstate(over="ignore"):
        converted = array.astype(dtype, copy=False)
    if not np.isfinite(converted).all():
        index = int(np.flatnonzero(~np.isfinite(converted))[0])
        raise ArgumentError(name, f"{array[index]} at index {index}", f"numbers within the range of {np.dtype(dtype)}")
    return converted


def common_type(dtype: Any, *arrays: np.ndarray) -> np.dtype:
    """The widest of these types: what arithmetic with all of them is done in (docs/decisions/0014)."""
    return np.result_type(*arrays) if dtype is None else np.result_type(dtype, *arrays)


def as_number(
    name: str, value: Any, *, above: float | None = None, least: float | None = None, most: float | None = None
) -> float:
    """A finite real number > `above`, >= `least`, <= `most`; a float subclass passes unchanged."""
    try:
        number = value if isinstance(value, float) else _as_float(name, value)
    except ArgumentError:
        raise
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(name, repr(value), "a real number") from None
    fails = (
        not math.isfinite(number)
        or (above is not None and number <= above)
        or (least is not None and number < least)
        or (most is not None and number > most)
    )
    if fails:
        limits = (("> ", above), (">= ", least), ("<= ", most))
        wanted = "".join(f" {relation}{limit:g}" for relation, limit in limits if limit is not None)
        raise ArgumentError(name, repr(value), "a finite number" + wanted)
    return number


def as_tolerance(name: str, value: Any) -> float:
    """A number that is at least 0; infinity is one, NaN is not."""
    try:
        number = _as_float(name, value)
    except ArgumentError:
        raise
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(name, repr(value), "a number >= 0") from None
    if not number >= 0:
        raise ArgumentError(name, repr(value), "a number >= 0")
    return number


def _as_float(name: str, value: Any) -> float:
    """`value` as a float; text and arrays, which Python's float would take, are no numbers here."""
    if isinstance(value, (str, bytes)):
        raise TypeError
    if not isinstance(value, (int, np.generic)) and hasattr(value, "__array__"):
        value = plain_array(name, value, "a real number")
        if value.ndim:
            raise TypeError
        value = value[()]
    number = float(value)
    if isinstance(value, (int, np.integer)):
        _require_exact(name, int(value))
    elif isinstance(value, np.longdouble) and value == value and np.longdouble(number) != value:
        raise ArgumentError(name, repr(value), "a number that float64 has: round it yourself")
    return number


def as_integer(name: str, value: Any, *, least: int = 0) -> int:
    """An integer of at least `least`; booleans and fractions are refused."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ArgumentError(name, repr(value), f"an integer >= {least}")
    if value < least:
        raise ArgumentError(name, repr(value), f"an integer >= {least}")
    return int(value)


def as_flag(name: str, value: Any) -> bool:
    """True or False, and nothing that only counts as one."""
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentError(name, repr(value), "True or False")
    return bool(value)


def as_choice(name: str, value: Any, options: Iterable[str]) -> str:
    """One of the strings in `options`."""
    options = tuple(options)
    if not isinstance(value, str) or value not in options:
        raise ArgumentError(name, repr(value), "one of " + ", ".join(map(repr, options)))
    return value


def as_options(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse the names among `given` that `what` does not know; the message lists those that it does."""
    if unknown := [name for name in given if name not in known]:
        raise ArgumentError("options", ", ".join(unknown), f"options of {what}: " + ", ".join(known))


def as_callable(name: str, value: Any, *, optional: bool = False, of: str = "(x, y)") -> Any:
    """A callable, or None where `optional`; `of` are its arguments, for the message."""
    if not (callable(value) or (optional and value is None)):
        raise ArgumentError(name, f"{type(value).__name__}", f"a callable of {of}" + (" or None" if optional else ""))
    return value


def as_problem(value: Any) -> Any:
    """Something with the methods of a BilevelProblem."""
    has = hasattr(value, "linearize") and hasattr(value, "value") and hasattr(value, "lower_grad_y")
    if isinstance(value, type) or not has:
        raise ArgumentError("problem", repr(value)[:80], "a BilevelProblem")
    return value


def settled(problem: Any) -> Any:
    """The same, whose levels nobody replaces from now on where it is a BilevelProblem: something rests on them."""
    if (settle := getattr(as_problem(problem), "settle", None)) is not None:
        settle()
    return problem


def start_y(problem: Any, dtype: np.dtype) -> np.ndarray:
    """Where y starts if nobody says, shape (n_y,): where the problem was made, as those of adapters are; else zeros."""
    own = getattr(problem, "start_y", None)
    start: np.ndarray = np.zeros(problem.n_y or 0, dtype) if own is None else own(dtype)
    return start


def as_generator(rng: Any) -> np.random.Generator:
    """`rng` as a Generator: None, a seed, a SeedSequence, a BitGenerator, a Generator or a RandomState, as in SciPy."""
    if isinstance(rng, np.random.RandomState):  # as NumPy 2.2 and later do: its own stream of bits
        return np.random.Generator(rng._bit_generator)
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise ArgumentError("rng", repr(rng), "None, a non-negative integer seed or a numpy.random.Generator") from None


def type_names(kinds: str) -> str:
    return ", ".join(np.dtype(kind).name for kind in kinds)
