"""A child process that answers one line to each line; whatever it does, the worst that comes of it is a `LineFailure`.

It runs in a session of its own, so that it can be ended together with all that it started; a guard does that where this
process is killed. Its three streams are served by one loop without threads: a child that does not read, writes without
end, or writes to the wrong stream cannot block the parent. POSIX only.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ..errors import ArgumentError
from ..terminal import printable

MAX_LINE = 32 * 2**20  # bytes; the largest answer of the vectors is below one of these mebibytes
TAIL = 2000  # bytes of the error output that are kept
_CHUNK = 2**16
GUARD = "read -r group; read -r _; kill -s KILL -- -$group"  # its input ends with this process, and with nothing else
_GRACE = 1.0  # seconds that a child which closed its output has to exit by itself


class LineFailure(Exception):
    """What the child did instead of answering.

    Attributes
    ----------
    kind : {"crash", "hang", "garbage"}
    exited : bool
        Whether it ended with status 0, without a word.
    """

    def __init__(self, kind: str, message: str, *, exited: bool = False) -> None:
        self.kind, self.exited = kind, exited
        super().__init__(message)


class LineProcess:
    """One child process.

    Parameters
    ----------
    command : sequence of str
        The executable and its arguments.
    name : str
        The argument that an executable which cannot be started is blamed on.

    Attributes
    ----------
    error_tail : str
        The end of what it wrote to its error output.
    """

    def __init__(self, command: Sequence[str], name: str = "--command") -> None:
        pipe: Any = subprocess.PIPE
        null: Any = subprocess.DEVNULL
        self._guard = subprocess.Popen(  # is there before the child, and told at once whom to end
            ["/bin/sh", "-c", GUARD], stdin=pipe, stdout=null, stderr=null, start_new_session=True
        )
        try:
            self._child = subprocess.Popen(
                list(command), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self._dismiss_guard()
            raise ArgumentError(name, f"{' '.join(command)} ({reason})", "an executable that can be started") from None
        self._guard.stdin.write(b"%d\n" % self._child.pid)  # type: ignore[union-attr]
        self._guard.stdin.flush()  # type: ignore[union-attr]
        self._received, self._errors, self._closed = bytearray(), bytearray(), False
        self._done = False
        self._selector = selectors.DefaultSelector()
        for stream in (self._child.stdin, self._child.stdout, self._child.stderr):
            os.set_blocking(stream.fileno(), False)  # type: ignore[union-attr]
        self._selector.register(self._child.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]
        self._selector.register(self._child.stderr, selectors.EVENT_READ)  # type: ignore[arg-type]

    @property
    def error_tail(self) -> str:
        return printable(self._errors.decode("utf-8", "replace")).strip()

    @property
    def has_more(self) -> bool:
        """Whether more than the last line has been received."""
        return bool(self._received.strip())

    def unasked(self) -> bool:
        """Whether it has written to its output since the last line, or has closed it."""
        self._serve(time.monotonic(), bytearray(), once=True)
        return self.has_more or self._closed

    def ask(self, line: bytes, timeout: float) -> bytes:
        """Send `line` and return the line that comes back, without its end.

        Raises
        ------
        LineFailure
            No such line within `timeout` seconds. The child is then of no further use: close it.
        """
        return self._receive(bytearray(line + b"\n"), timeout)

    def listen(self, timeout: float) -> bytes:
        """The next line, without a question."""
        return self._receive(bytearray(), timeout)

    def _receive(self, pending: bytearray, timeout: float) -> bytes:
        deadline = time.monotonic() + timeout
        searched = 0
        while True:
            end = self._received.find(b"\n", searched)
            if end >= 0:
                line = bytes(self._received[:end]).strip()
                del self._received[: end + 1]
                searched = 0
                if line:
                    return line
                continue
            searched = len(self._received)
            if searched > MAX_LINE:
                raise LineFailure("garbage", f"more than {MAX_LINE // 2**20} MiB without an end of line")
            if self._closed:
                raise self._ended()
            if not self._serve(deadline, pending):
                unread = ", and has not read all of the case" if pending else ""
                partial = f" (it wrote {len(self._received)} bytes without an end of line)" if self._received else ""
                raise LineFailure("hang", f"no answer within {timeout:g} s{unread}{partial}")

    def _serve(self, deadline: float, pending: bytearray, once: bool = False) -> bool:
        """Move bytes until some were moved (True) or the deadline has passed (False)."""
        stdin: Any = self._child.stdin
        registered = bool(pending) and not stdin.closed
        if registered:
            self._selector.register(stdin, selectors.EVENT_WRITE)
        try:
            left = deadline - time.monotonic()
            if left <= 0 and not once:
                return False
            ready = self._selector.select(max(left, 0))
            for key, _ in ready:
                if key.fileobj is stdin:
                    self._write(pending)
                else:
                    self._read(key.fileobj)
            return bool(ready)
        finally:
            if registered:
                self._selector.unregister(stdin)

    def _write(self, pending: bytearray) -> None:
        with suppress(BlockingIOError):
            try:
                del pending[: os.write(self._child.stdin.fileno(), pending[:_CHUNK])]  # type: ignore[union-attr]
            except (BrokenPipeError, ConnectionError):  # it reads no more; what it says meanwhile decides
                pending.clear()

    def _read(self, stream: Any) -> None:
        with suppress(BlockingIOError):
            data = os.read(stream.fileno(), _CHUNK)
            if not data:
                self._selector.unregister(stream)
                self._closed = self._closed or stream is self._child.stdout
            elif stream is self._child.stdout:
                self._received += data
            else:
                self._errors = (self._errors + data)[-TAIL:]

    def _ended(self) -> LineFailure:
        """The output was closed: say how the child ended."""
        partial = f" after {len(self._received)} bytes of a line without its end" if self._received else ""
        deadline = time.monotonic() + _GRACE
        while time.monotonic() < deadline and not self._exited():
            time.sleep(0.005)
        running = not self._exited()
        for _ in range(100):  # the last words on the error output
            if not self._serve(time.monotonic(), bytearray(), once=True):
                break
        self.close()
        code = self._child.returncode
        if running:
            return LineFailure("crash", f"closed its output{partial} and went on running")
        if code < 0:
            return LineFailure("crash", f"ended by {_signal_name(-code)}{partial}")
        quietly = code == 0 and not partial
        return LineFailure("crash", f"exited with status {code}{partial} instead of answering", exited=quietly)

    def _exited(self) -> bool:
        """Whether it has exited; its process id stays reserved, so that its group can still be ended safely."""
        if self._child.returncode is not None:
            return True
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self._child.poll() is not None
        return os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def close(self, grace: float = 0.0) -> None:
        """End the child and its process group; it has `grace` seconds to exit by itself once its input is closed."""
        if self._done:
            return
        self._done = True
        with suppress(OSError):
            self._child.stdin.close()  # type: ignore[union-attr]
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline and not self._exited():
            if not self._serve(time.monotonic(), bytearray(), once=True):
                time.sleep(0.005)
            del self._received[:]
        self._dismiss_guard()  # before the number of the group can become another's
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._selector.close()
        for stream in (self._child.stdout, self._child.stderr):
            stream.close()  # type: ignore[union-attr]

    def _dismiss_guard(self) -> None:
        self._guard.kill()
        self._guard.communicate()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
