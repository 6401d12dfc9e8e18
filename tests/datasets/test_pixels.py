"""Standardization of the image sets: every number of the table, and every place that must use it."""

import re
from pathlib import Path

import numpy as np
import pytest
from test_idx import PARTS, idx

from lancbio_ref import ArgumentError
from lancbio_ref.cli import main
from lancbio_ref.datasets import load_mnist_like
from lancbio_ref.datasets.pixels import PIXELS, pixels_formula, standardized_pixels
from lancbio_ref.jobs.instance import load_samples
from lancbio_ref.jobs.options import make_comparison, make_settings
from lancbio_ref.jobs.settings import CLEANING, default_options
from lancbio_ref.methods import DETERMINISTIC, names

ROOT = Path(__file__).resolve().parent.parent.parent
PAPER = {"mnist": (0.1307, 0.3081), "fashion-mnist": (0.5, 0.5), "kmnist": (0.1918, 0.3483)}


@pytest.fixture
def folder(tmp_path):
    """Sets of 30 images of 2 × 2 pixels, one a name, their files alike."""
    rng = np.random.default_rng(0)
    images = {part: rng.integers(0, 256, (30, 2, 2), dtype=np.uint8) for part in ("train", "test")}
    for name in PAPER:
        (tmp_path / name).mkdir()
        for part, stem in PARTS.items():
            which, kind = part.split("_")
            array = images[which] if kind == "images" else (np.arange(30) % 10).astype(np.uint8)
            (tmp_path / name / stem).write_bytes(idx(array))
    return tmp_path


def test_the_table_has_every_image_set_and_the_papers_numbers():
    assert PIXELS == PAPER
    assert set(PIXELS) == set(CLEANING) - {"digits"}


@pytest.mark.parametrize("name", PAPER)
def test_pixels_are_standardized_with_the_numbers_of_their_own_set(name):
    mean, deviation = PAPER[name]
    images = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    found = standardized_pixels(images, name)
    assert found.shape == (4, 64)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, (images.reshape(4, 64) / 255 - mean) / deviation)
    assert pixels_formula(name) == f"(pixels / 255 - {mean}) / {deviation}"


def test_another_set_is_refused():
    with pytest.raises(ArgumentError, match="digits"):
        standardized_pixels(np.zeros((1, 2, 2), np.uint8), "digits")


@pytest.mark.parametrize("name", PAPER)
def test_a_job_sees_the_pixels_of_its_own_set_and_says_how(folder, name):
    samples = load_samples(name, make_settings(name, dict(data_dir=str(folder), train=20)).given, 1)
    data = load_mnist_like(folder, name)
    mean, deviation = PAPER[name]
    np.testing.assert_array_equal(samples.X_train, (data.train_images[:20].reshape(20, 4) / 255 - mean) / deviation)
    np.testing.assert_array_equal(samples.X_test, (data.test_images.reshape(30, 4) / 255 - mean) / deviation)
    assert f"(pixels / 255 - {mean}) / {deviation}" in samples.origin
    others = {f"{m}" for other, pair in PAPER.items() if other != name for m in pair}
    assert not any(number in samples.origin for number in others - {f"{m}" for m in PAPER[name]})


def test_the_help_has_every_number(capsys):
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "(m, s) = " + ", ".join(f"({m:g}, {s:g})" for m, s in PAPER.values()) in text


def test_no_other_place_has_numbers_of_its_own():
    """One table: what else standardizes images must ask it."""
    numbers = re.compile("|".join(re.escape(f"{m}") for name in ("mnist", "kmnist") for m in PAPER[name]))
    written = [
        path.relative_to(ROOT).as_posix()
        for folder in ("lancbio_ref", "validation", "docs")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if numbers.search(path.read_text())
    ]
    assert written == ["lancbio_ref/cli.py", "lancbio_ref/datasets/pixels.py"]  # the help, tested above; the table


@pytest.mark.parametrize(("name", "mean", "deviation"), [(n, *pair) for n, pair in PAPER.items() if n[0] != "f"])
def test_the_numbers_are_those_of_the_training_pixels(data_dir, name, mean, deviation):
    if not (data_dir / name).is_dir():
        pytest.skip(f"no {name} in {data_dir}")
    pixels = load_mnist_like(data_dir, name).train_images / 255
    assert (pixels.mean(), pixels.std()) == pytest.approx((mean, deviation), abs=5e-5)


@pytest.mark.parametrize("name", PAPER)
def test_steps_of_the_paper(name):
    own = {"amigo-cg": 100.0, "f2sa": 10.0} if name == "fashion-mnist" else {}
    for method in set(names()) - set(DETERMINISTIC):  # these find their own
        assert default_options(name, method)["step_x"] == own.get(method, 500.0)
        assert default_options(name, method, stochastic=True)["step_x"] == 100.0
        assert make_comparison(name, dict(methods=method)).methods[method].step_x == own.get(method, 500.0)
    assert make_comparison(name, dict(methods="f2sa", set=["f2sa.step_x=3"])).methods["f2sa"].step_x == 3


def test_the_help_of_compare_has_the_steps(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    assert "on fashion-mnist 100 for amigo-cg and 10 for f2sa" in " ".join(capsys.readouterr().out.split())
