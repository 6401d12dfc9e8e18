"""The page of the known faults is data: it is read as it stands, and what is wrong with it is named by its line."""

from __future__ import annotations

import pytest

from lancbio_ref.errors import ArgumentError
from lancbio_ref.oracle.edits import edited
from lancbio_ref.oracle.faults import read

PAGE = """\
# Faults

Prose.

## `solve`: A v = b

### S01 the first

- *Symptom:* wrong
- *Cause:* a sign
- *Remedy:* another sign
- *Program:* conjugate gradients

```diff
@@ solve.conjugate_gradients @@
-    p = r
+    p = 2 * r
@@
-    for _ in range(50 * len(b)):
+    for _ in range(10):
```

- *Also:* `10` as `20`, `30`
- *Also:* from zero; with T01; `10` as `5`

## `trace`: the methods

### T01 the second

- *Symptom:* wrong
- *Cause:* a sign
- *Remedy:* another sign
- *Methods:* bsa, ttsa
- *Compared:* by size

```diff
@@ baselines.random_neumann @@
     term = b
+    term = -term

```

```diff
@@ baselines @@
-from .trace import inner_steps
+from .trace import inner_steps  # twice
```

## Settings

### from zero

Words.

```diff
@@ solve.lanczos_solve @@
-    v = v0 + dv
+    v = dv
```
"""

DIFF = PAGE[PAGE.index("```diff") : PAGE.index("- *Also:*")]
LAST = PAGE[PAGE.rindex("```diff") :]


def test_a_page_is_read():
    (first, second), settings = read(PAGE)
    assert (first.id, first.title, first.level, first.base) == ("S01", "the first", "solve", "conjugate gradients")
    assert (first.symptom, first.cause, first.remedy) == ("wrong", "a sign", "another sign")
    assert first.changes() == [(["p = r"], ["p = 2 * r"]), (["for _ in range(50 * len(b)):"], ["for _ in range(10):"])]
    last = [variant[1].wrong.strip() for variant in first.variants]
    assert last == [f"for _ in range({count}):" for count in (10, 20, 30, 5)]
    assert first.variants[3][2:] == settings["from zero"] + second.edits
    assert first.constant == "10" and first.with_constant("20") == first.variants[1]
    assert (second.base, second.methods, second.rounding) == ("dense", ("bsa", "ttsa"), True) and not first.rounding
    assert [edit.within for edit in second.edits + second.others[0]] == ["random_neumann", ""]
    assert second.edits[0].wrong == "\n    term = b\n    term = -term\n\n"  # an empty line is one of the textbook
    assert second.constant == "" and len(second.variants) == 2


WRONG_PAGES = [  # what is changed, how the line that is named begins, what was found, what was expected
    ("## `solve`: A", "## `slove`: A", "## `slove`", "'## `slove`: A v = b'", "`hypergradient`, `lanczos`, `trace`"),
    ("## Settings", "## Other", "## Other", "'## Other'", "## Settings"),
    ("### S01 the", "### S1 the", "### S1", "'### S1 the first'", "### S, two digits and a title"),
    ("### S01 the", "### H01 the", "### H01", "'### H01 the first'", "### S, two digits and a title"),
    ("### T01 the second", "### T01", "### T01", "'### T01'", "### T, two digits and a title"),
    ("## `solve`: A v = b", "", "### S01", "'### S01 the first'", "### a section first"),
    ("## `trace`: the methods\n\n### T01", "### S01", "### S01 the second", "S01 again", "faults.md, line 7 has it"),
    ("- *Cause:* a sign\n", "", "### S01", "S01 without Cause", "Symptom, Cause, Remedy, Program and a diff"),
    ("- *Methods:* bsa, ttsa\n", "", "### T01", "T01 without Methods", "Symptom, Cause, Remedy, Methods and a diff"),
    ("- *Cause:*", "- *Reason:*", "- *Reason", "'- *Reason:* a sign'", "Symptom, Cause, Remedy"),
    ("- *Cause:*", "-", "- a sign", "'- a sign'", "- *Name:*"),
    ("- *Cause:*", "- *Symptom:*", "- *Symptom:* a sign", "Symptom again", "one Symptom in S01"),
    ("conjugate gradients", "gradients", "### S01", "Program 'gradients' of S01", "one of conjugate gradients"),
    ("bsa, ttsa", "bsa, tsa", "### T01", "Methods 'tsa' of T01", "one of lancbio, subbio"),
    ("by size", "by value", "### T01", "Compared 'by value' of T01", "by size"),
    ("```diff", "```", "```", "'```'", "a diff, or - *Name:*"),
    (DIFF, "", "### S01", "S01 without a diff", "Program and a diff"),
    ("@@ solve.conjugate_gradients @@\n", "", "-    p = r", "'-    p = r'", "begins with @@ module.function @@"),
    ("+    p = 2 * r", "p = 2 * r", "p = 2", "'p = 2 * r'", "a line of a diff"),
    ("@@ solve.conj", "@@ slove.conj", "@@ slove", "'slove'", "the module one of numbers, lanczos"),
    ("@@ solve.conj", "@@ ../solve.conj", "@@ ../solve", "'@@ ../solve.conj", "@@ module.function @@"),
    ("-    p = r\n+    p = 2 * r", "     p = r", "@@ solve.conj", "no line that is changed", "both"),
    ("-    p = r\n", "", "@@ solve.conj", "no line of the textbook", "both"),
    ("`10` as `20`, `30`", "`11` as `20`", "- *Also:* `11`", "`11` 0 times in the wrong lines", "there once"),
    ("`10` as `20`, `30`", "`r` as `20`", "- *Also:* `r`", "`r` 3 times in the wrong lines", "there once"),
    ("`10` as `20`, `30`", "`10` as 20", "- *Also:* `10`", "'`10` as 20'", "`constant` as `another`"),
    ("with T01", "with T02", "- *Also:* from zero", "'with T02'", "from zero, with an id, or `constant` as `another`"),
    (LAST, "", "### from zero", "0 diffs under from zero", "one"),
]  # fmt: skip


@pytest.mark.parametrize("right, wrong, at, found, expected", WRONG_PAGES)
def test_a_page_that_is_no_catalogue_is_refused_with_its_line(right, wrong, at, found, expected):
    assert right in PAGE
    page = PAGE.replace(right, wrong, 1)
    with pytest.raises(ArgumentError) as caught:
        read(page)
    number = next(number for number, line in enumerate(page.splitlines(), 1) if line.startswith(at))
    assert caught.value.argument == f"faults.md, line {number}"
    assert found in caught.value.found and expected in caught.value.expected


def test_a_diff_that_is_not_closed_is_refused():
    with pytest.raises(ArgumentError, match=r"^faults.md: found its end within a diff, expected a line ```"):
        read(PAGE.rstrip().removesuffix("```"))


@pytest.mark.parametrize(
    "right, wrong, found, function",
    [
        ("-    p = r\n", "-    p = s\n", "'    p = s' 0 times", "conjugate_gradients"),
        ("-    p = r\n", "-    return\n", "'    return' 0 times", "conjugate_gradients"),
        ("-    p = r\n", "-        p = r\n", "'        p = r' 0 times", "conjugate_gradients"),
        ("solve.conjugate_gradients", "solve.gradients", "'    p = r' 0 times", "gradients"),
        ("solve.conjugate_gradients", "problems.Ridge.A", "'    p = r' 0 times", "Ridge.A"),
    ],
)
def test_a_diff_that_does_not_fit_the_textbook_is_refused_with_its_line(right, wrong, found, function):
    (first, _), _ = read(PAGE.replace(right, wrong, 1))
    with pytest.raises(ArgumentError) as caught:
        edited("wrong", first.edits)
    assert caught.value.argument == "faults.md, line 15" and caught.value.found == found
    assert caught.value.expected.startswith("it once in textbook.") and caught.value.expected.endswith(function)
