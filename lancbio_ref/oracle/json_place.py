"""Where in a JSON text something is wrong, as the path of the innermost key: ``results.h[3]``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.S)
_CONSTANTS = ("NaN", "Infinity", "-Infinity")
_DIGITS = 4300  # of an integer that Python reads
_DEEPEST = 100  # brackets within brackets: far more than a vector has, and within what recursion can take
_SHOWN = 300  # characters of a path


@dataclass
class _Level:
    """An object or a list that is open: the key or the index in it, the key before, and all keys that it had."""

    is_object: bool
    key: Any = None
    before: str | None = None
    seen: set[str] = field(default_factory=set)
    twice: bool = False


def syntax_error(text: str) -> tuple[str, str] | None:
    """(path, what is wrong, with line and column) of a text that is no JSON or nested too deep.

    Examples
    --------
    >>> syntax_error('{"results": {"h": [1, 2, NaN]}}')
    ('results.h[2]', 'NaN at line 1, column 26')
    >>> syntax_error('{"results": {"h": [1, 2')
    ('results.h[1]', "no JSON (Expecting ',' delimiter) at line 1, column 24")
    >>> syntax_error('{"kind": "system", levels": 1}')
    ('', "no JSON (Expecting property name enclosed in double quotes) after 'kind' at line 1, column 20")
    """
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        field, after = place(text, error.pos)
        return field, f"no JSON ({error.msg}){after} at {_line(text, error.pos)}"
    except (ValueError, RecursionError):
        pass
    for start, token, stack in _walk(text):
        what = ""
        if token in _CONSTANTS:
            what = token
        elif stack and stack[-1].twice:
            what = f"the key {stack[-1].key!r} a second time"
        elif re.fullmatch(rf"-?\d{{{_DIGITS + 1},}}", token):
            what = f"an integer of {len(token.lstrip('-'))} digits"
        elif len(stack) > _DEEPEST:
            what = f"brackets within brackets, {len(stack)} deep,"
        if what:
            return _path(stack), f"{what} at {_line(text, start)}"
    return None


def place(text: str, position: int) -> tuple[str, str]:
    """The path of the key that is being read at a position, and, between two keys, which one was read before.

    >>> place('{"a": [{"b": 1}, {"b": ?', 23)
    ('a[1].b', '')
    >>> place('{"a": {"b": 1, ?', 15)
    ('a', " after 'b'")
    """
    stack: list[_Level] = []
    for _, _, now in _walk(text[:position]):
        stack = now
    between = stack and stack[-1].key in (None, "") and stack[-1].before is not None
    return _path(stack), f" after {stack[-1].before!r:.80}" if between else ""


def _walk(text: str) -> Iterator[tuple[int, str, list[_Level]]]:
    """(position, token, what is open after it); the list is one and the same."""
    stack: list[_Level] = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        top = stack[-1] if stack else None
        if token in "{[":
            stack.append(_Level(token == "{", None if token == "{" else 0))
        elif token in "}]":
            del stack[-1:]
        elif token == "," and top is not None:
            top.before, top.key = (top.key, None) if top.is_object else (None, top.key + 1)
        elif token[0] == '"' and top is not None and top.is_object and top.key is None:
            top.key = token.strip('"')
            top.twice = top.key in top.seen
            top.seen.add(top.key)
        yield match.start(), token, stack


def _path(stack: list[_Level]) -> str:
    keys = [level.key for level in stack if level.key is not None]
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")[:_SHOWN]


def _line(text: str, position: int) -> str:
    before = text[:position]
    return f"line {before.count(chr(10)) + 1}, column {position - before.rfind(chr(10))}"
