"""What the commands print, wherever it goes: a terminal, a pipe that closes, a full disk, another encoding, nowhere.

A finished computation is never lost to its output. What an encoding lacks is spelled in ASCII, and an output that fails
is given up; the command goes on, and its exit status says what it always says.
"""

from __future__ import annotations

import codecs
import errno
import os
import signal
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

SPELLED = {
    "±": "+-", "−": "-", "–": "-", "—": "-", "×": "x", "⊗": "x", "·": "*", "•": "*", "∘": "*", "⁄": "/", "√": "sqrt ",
    "‖": "||", "Σ": "sum ", "∇": "grad ", "∂": "d", "∞": "inf", "′": "'", "≤": "<=", "≥": ">=", "≪": "<<", "≫": ">>",
    "≠": "!=", "≈": "~", "⪰": ">=", "→": "->", "←": "<-", "⟹": "=>", "⊥": " orthogonal to ", "∈": " in ", "…": "...",
    "⟨": "<", "⟩": ">", "⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")", "“": '"', "”": '"', "‘": "'", "’": "'",
}  # fmt: skip
NOBODY_READS = (errno.EPIPE, errno.EBADF)  # head has seen enough; the terminal is gone


def spelled(character: str) -> str:
    """A character in ASCII.

    Examples
    --------
    >>> from lancbio_ref.terminal import spelled
    >>> "".join(map(spelled, "β_j q_{j−1}, ½ ± 10⁻⁶, Ā⁻¹b 數"))
    'beta_j q_{j-1}, 1/2 +- 10-6, A-1b ?'
    """
    if character.isascii():
        return character
    if character in SPELLED:
        return SPELLED[character]
    plain = unicodedata.normalize("NFKD", character)
    if plain != character:  # ½ is 1⁄2, ₁ is 1, Ā is A and a macron
        return "".join(spelled(part) for part in plain if not unicodedata.combining(part))
    words = unicodedata.name(character, "?").split()  # GREEK SMALL LETTER BETA, BOX DRAWINGS HEAVY HORIZONTAL
    return {"GREEK": words[-1].lower(), "BOX": "-", "COMBINING": ""}.get(words[0], "?")


def _spell(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(map(spelled, error.object[error.start : error.end])), error.end


codecs.register_error("lancbio_ref.spell", _spell)


def printable(text: str) -> str:
    """`text` with what could move a cursor, colour a terminal or be no character at all replaced.

    Examples
    --------
    >>> from lancbio_ref.terminal import printable
    >>> printable("not\\x1b[31m definite")
    'not�[31m definite'
    """
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def one_line(text: object) -> str:
    """The text of an error, as one line that can be printed."""
    return printable(" ".join(str(text).split()))


class Outlet:
    """A text stream that takes whatever is written to it.

    Parameters
    ----------
    stream : text stream or None
        ``sys.stdout``, say, which is None where a process has none, and can be any object with a `write`.

    Attributes
    ----------
    failure : OSError or None
        Why `stream` takes no more; from then on nothing goes to it.
    """

    def __init__(self, stream: Any) -> None:
        self._stream, self.failure = stream, None if stream is not None else OSError(errno.EBADF, "closed")

    def write(self, text: str) -> int:
        """Write, spelled in ASCII where the encoding lacks a character."""
        if self.failure is None:
            with self._giving_up():
                try:
                    self._stream.write(text)
                except UnicodeEncodeError:
                    encoding = getattr(self._stream, "encoding", None) or "ascii"
                    self._stream.write(text.encode(encoding, "lancbio_ref.spell").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        if self.failure is None and hasattr(self._stream, "flush"):
            with self._giving_up():
                self._stream.flush()

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        with suppress(AttributeError, ValueError, OSError):
            return self.failure is None and bool(self._stream.isatty())
        return False

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:  # of a file that was closed
            self.failure = OSError(errno.EBADF, str(error))
        except OSError as error:
            self.failure = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def outlets(*, own_process: bool) -> Iterator[Outlet]:
    """Standard output, which is yielded, and error output as outlets, as long as a command runs.

    Parameters
    ----------
    own_process : bool
        Whether the process is the command's: then the three standard files exist in it, so that no data file takes the
        number of one that was closed; an output that failed is not tried again when Python ends; and a process that is
        told to end (SIGTERM, SIGHUP) is interrupted as if by Ctrl-C.
    """
    if own_process:
        for number in range(3):
            _occupied(number)
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_DFL:
                with suppress(ValueError):  # a thread that is not the main one has no signals
                    signal.signal(getattr(signal, name), signal.default_int_handler)
    before = sys.stdout, sys.stderr
    out, errors = Outlet(sys.stdout), Outlet(sys.stderr)
    sys.stdout, sys.stderr = out, errors  # with what print, argparse and rich need of a stream
    try:
        yield out
    finally:
        sys.stdout, sys.stderr = before
        for number, outlet in enumerate((out, errors), 1):
            outlet.flush()
            if own_process and outlet.failure is not None:
                with suppress(OSError):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _occupied(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
