"""The finder of other Pythons runs what it finds: shims that start nothing are passed over."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FINDER = Path(__file__).parents[1] / ".ci" / "find-python"
HERE = "{}.{}".format(*sys.version_info)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a shell script")


def command(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def find(version, *folders):
    path = os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"])
    done = subprocess.run([FINDER, version], env={"PATH": path}, capture_output=True, text=True)
    assert done.returncode == (0 if done.stdout else 1)
    return done.stdout.strip()


def runs(python, version):
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == version


def test_one_on_path_is_found(tmp_path):
    command(tmp_path, f"python{HERE}", f'exec "{sys.executable}" "$@"')
    assert runs(find(HERE, tmp_path), HERE)


def test_a_shim_that_starts_nothing_is_passed_over(tmp_path):
    shims, real = tmp_path / "shims", tmp_path / "real" / "bin"
    real.parent.mkdir()
    command(shims, f"python{HERE}", "echo not installed >&2; exit 127")
    command(real, "python", f'exec "{sys.executable}" "$@"')
    command(shims, "python3", "exit 127")
    versions = "\n".join(f"echo {v}" for v in ("2.7.18", f"{HERE}.9", f"{HERE}.10", f"{HERE}.10/envs/x", f"{HERE}-dev"))
    prefix = f"elif [ $2 = {HERE}.10 ]; then echo {real.parent}; fi"
    command(shims, "pyenv", f"if [ $1 = versions ]; then {versions}; {prefix}")
    assert runs(find(HERE, shims), HERE)


def test_one_of_another_version_is_passed_over(tmp_path):
    command(tmp_path, "python2.99", f'exec "{sys.executable}" "$@"')
    assert find("2.99", tmp_path) == ""


def test_none_is_a_failure(tmp_path):
    command(tmp_path, "python3", "exit 127")
    assert find("2.99", tmp_path) == ""
