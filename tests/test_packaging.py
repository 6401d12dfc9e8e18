"""What a package index, conda and the messages say about the package is what pyproject.toml says."""

import re
import tomllib
from pathlib import Path

import lancbio_ref

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PAGE = (ROOT / PROJECT["readme"]).read_text("utf-8")
RECIPE = (ROOT / "docs" / "conda" / "recipe.yaml").read_text("utf-8")


def test_links_work_on_a_package_index():
    links = [*re.findall(r"\]\(([^)\s]+)\)", PAGE), *PROJECT["urls"].values()]
    assert links and all(link.startswith("https://") for link in links)


def test_the_code_of_the_index_page_runs(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    exec(compile(block, PROJECT["readme"], "exec"), {})
    assert "error bound" in capsys.readouterr().out


def test_the_conda_recipe_is_of_this_package():
    (command,) = PROJECT["scripts"]
    lines = [line.strip("- \n") for line in RECIPE.splitlines()]
    assert f'version: "{lancbio_ref.__version__}"' in lines
    assert f'python_min: "{PROJECT["requires-python"].removeprefix(">=")}"' in lines
    assert f"{command} = {PROJECT['scripts'][command]}" in lines and f"name: {PROJECT['name']}" in lines
    other_names = {"matplotlib": "matplotlib-base"}
    extras = [package for extra in ("cli", "data", "oracle") for package in PROJECT["optional-dependencies"][extra]]
    for requirement in [*PROJECT["dependencies"], *extras]:
        package, version = re.fullmatch(r"([\w-]+)(>=.*)", requirement).groups()
        assert f"{other_names.get(package, package)} {version}" in lines


def test_no_message_asks_for_what_only_an_index_has():
    """A name in brackets is found where the package came from an index; where it came from a checkout, it is not."""
    for path in [*ROOT.glob("lancbio_ref/**/*.py"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md"]:
        assert "lancbio_ref[" not in path.read_text("utf-8"), path


def test_every_target_that_is_named_is_there_once():
    """make takes the second of two recipes with one name, and says so only in passing."""
    rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M)
    assert len(rules) == len(set(rules))
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.M)
    assert set(phony.split()) <= set(rules)
    for path in ["README.md", "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("validation/**/*.md")]:
        asked = re.findall(r"(?m)^    make ([a-z-]+)|`make ([a-z-]+)", (ROOT / path).read_text("utf-8"))
        assert {one or other for one, other in asked} <= set(rules), path
