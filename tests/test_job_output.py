"""What a job writes and shows: files that are whole or the old ones, a bar on a terminal, else a few lines."""

import os
import sys

import pytest

from lancbio_ref import files
from lancbio_ref.errors import ArgumentError
from lancbio_ref.jobs.progress import PlainLines, RichBar, make_progress


def test_a_file_that_fails_leaves_the_old_one(tmp_path):
    path = tmp_path / "summary.json"
    path.write_text("old")

    def fail(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(ArgumentError, match="disk full") as caught:
        files.write(path, fail)
    assert caught.value.argument == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_have_the_permissions_of_ordinary_files(tmp_path):
    files.write(tmp_path / "a", lambda file: file.write(b"x"))
    (tmp_path / "b").write_bytes(b"x")
    assert os.stat(tmp_path / "a").st_mode == os.stat(tmp_path / "b").st_mode


def test_progress_on_a_terminal_is_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    bar = make_progress(10, quiet=False)
    assert isinstance(bar, RichBar)
    with bar:
        for k in range(1, 11):
            bar.update(k, loss=0.5, h_norm=1e-3, test_accuracy=0.9)
    assert bar.bar.tasks[0].finished
    assert "test accuracy 0.9000" in bar.bar.tasks[0].description
    monkeypatch.setattr("lancbio_ref.jobs.progress.find_spec", lambda name: None)
    assert isinstance(make_progress(10, quiet=False), PlainLines)


def test_plain_progress_is_about_ten_lines(capsys):
    lines = make_progress(1000, quiet=False)
    with lines:
        for k in range(1, 1001):
            lines.update(k, loss=1.0)
    assert 10 <= capsys.readouterr().out.count("\n") <= 11
