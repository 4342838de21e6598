"""The documentation says what is so: pages from code are fresh, links lead somewhere, what is shown was printed, recipes work."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from docs import generate
from mlspec import backend, kinds, metrics, reference
from mlspec.kit.case import cases
from mlspec.spec.project import Project
from mlspec.spec.shape import fields

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
EXTENDING = ROOT / "docs" / "extending.md"
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("specs/**/*.md"))
    if path.is_file()
)


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# pages from code


@pytest.mark.parametrize("path", generate.PAGES)
def test_generated_pages_are_fresh(path: str) -> None:
    assert text_of(ROOT / path) == generate.PAGES[path](), f"{path} is stale: make docs"


def test_pages_that_are_stale_are_written_anew(tmp_path: Path) -> None:
    assert generate.write(tmp_path) == list(generate.PAGES)
    assert generate.write(tmp_path) == []
    (tmp_path / "docs" / "spec.md").write_text("old", encoding="utf-8")
    assert generate.write(tmp_path) == ["docs/spec.md"]
    assert text_of(tmp_path / "docs" / "spec.md") == text_of(ROOT / "docs" / "spec.md")


def test_each_section_of_the_language_is_explained() -> None:
    page = text_of(ROOT / "docs" / "spec.md")
    for name in fields(Project):
        assert f"| `{name}` |" in page
        assert reference.explain(name)


@pytest.mark.parametrize("name", generate.ours())
def test_each_backend_says_how_it_does_everything(name: str) -> None:
    module = backend.load(name)
    told = {*module.REALISES, *module.LACKS}
    assert told == set(backend.NOTIONS)
    assert all(text and not text.endswith(".") for table in (module.REALISES, module.LACKS) for text in table.values())
    assert f"--backend {name}`" in text_of(ROOT / "docs" / "backends.md")


def test_the_matrix_is_of_all_cases_and_runners() -> None:
    told = json.loads(text_of(generate.MATRIX))
    assert {name: case.about for name, case in cases().items()} == told["cases"], "make matrix"
    assert set(told["runners"]) == {"local", "airflow", *generate.ours()}
    assert len(told["cases"]) >= 40
    for case, ended in told["results"].items():
        assert set(ended) == set(told["runners"]), case
        assert set(ended.values()) <= {"passed", "lacks"}, case


# links


def links(page: Path) -> Iterator[str]:
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text_of(page), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text_of(page), flags=re.S), flags=re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in dict.fromkeys(links(page)):
        path, _, anchor = target.partition("#")
        place = page.parent / path if path else page
        assert place.exists(), target
        if anchor:
            assert anchor in anchors(place), target


def test_links_and_anchors_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b` & c\n[x](y.md#z) ![i](i.png) `[no](no)` [w](https://a.b)\n```\n# no\n[no](no)\n```\n", encoding="utf-8"
    )
    assert list(links(page)) == ["y.md#z", "i.png"]
    assert anchors(page) == {"a-b--c"}


def test_images_are_small_and_used() -> None:
    shown = {target for page in PAGES for target in links(page)}
    for image in (ROOT / "docs" / "images").iterdir():
        assert image.stat().st_size < 300_000
        assert any(target.endswith(image.name) for target in shown)


# what the README shows


class Shown(NamedTuple):
    """A command of a console block, and what stands below it."""

    command: str
    said: list[str]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), flags=re.S | re.M)


def shown() -> list[Shown]:
    found: list[Shown] = []
    for block in blocks(README, "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Shown(line.removeprefix("$ "), []))
            else:
                found[-1].said.append(line)
    return found


CHANGES = ((r"\b\d+\.\d\d s\b", "# s"), (r"\b[0-9a-f]{12,}\b", "#"), (r"\bbytes [\d,]+", "bytes #"), (r" {2,}", "  "))
"""What another machine, or another day, says otherwise: times, digests, sizes, and the width of what holds them."""


def stable(lines: list[str]) -> list[str]:
    for pattern, instead in CHANGES:
        lines = [re.sub(pattern, instead, line) for line in lines]
    return [line.rstrip() for line in lines]


def mlspec(directory: Path, *, path: Path = ROOT) -> dict[str, str]:
    """The environment in which `mlspec` is this checkout's, or the one at `path`."""
    programs = directory / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "mlspec").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlspec "$@"\n', encoding="utf-8")
    (programs / "mlspec").chmod(0o755)
    paths = [str(path), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_COLOR": "1",
        "COLUMNS": "100",
    }


def say(command: str, directory: Path, environment: dict[str, str]) -> list[str]:
    """Run a command as a shell does and return the lines it prints, then its exit code where that is not 0."""
    ended = subprocess.run(
        ["sh", "-c", command],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    return [*ended.stdout.splitlines(), *([f"exit code {ended.returncode}"] if ended.returncode else [])]


@pytest.mark.slow
def test_what_the_readme_shows_is_what_is_printed(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Every console block, in order, in a copy of the specs; `--update-golden` writes what is printed into the README.

    Steps run in parallel: their lines come in any order.
    """
    shutil.copytree(ROOT / "specs", tmp_path / "specs")
    environment = mlspec(tmp_path)
    commands = shown()
    used = {command.split()[1] for command, _ in commands if command.startswith("mlspec ")}
    assert used >= {"run", "lint", "explain", "compile", "backends"}
    told = [(command, wanted, say(command, tmp_path, environment)) for command, wanted in commands]
    if request.config.getoption("--update-golden"):
        answers = iter(told)
        README.write_text(
            re.sub(r"(?ms)^```console\n.*?^```$", lambda found: _printed(found[0], answers), text_of(README)), encoding="utf-8"
        )
        told = [(command, said, said) for command, _, said in told]
    for command, wanted, said in told:
        assert sorted(stable(said)) == sorted(stable(wanted)), f"$ {command}\n" + "\n".join(said)


def _printed(block: str, answers: Iterator[tuple[str, list[str], list[str]]]) -> str:
    lines: list[str] = []
    for _ in range(block.count("\n$ ")):
        command, _, said = next(answers)
        lines += [f"$ {command}", *said]
    return "\n".join(["```console", *lines, "```"])


def test_what_the_readme_excerpts_is_in_what_is_emitted(tmp_path: Path) -> None:
    """Code that the README shows stands, line by line, in the file that its first line names."""
    shutil.copytree(ROOT / "specs", tmp_path / "specs")
    environment = mlspec(tmp_path)
    for command in shown():
        if command.command.startswith("mlspec compile"):
            say(command.command, tmp_path, environment)
    found = blocks(README, "python")
    assert len(found) >= 2
    for block in found:
        first, _, rest = block.partition("\n")
        assert rest.strip()
        assert rest.strip("\n") in text_of(tmp_path / first.removeprefix("# ")), first


def test_the_readmes_spec_is_a_spec(tmp_path: Path) -> None:
    (block,) = blocks(README, "yaml")
    assert len(block.splitlines()) <= 27
    (tmp_path / "spec.yaml").write_text(block, encoding="utf-8")
    assert say("mlspec lint spec.yaml", tmp_path, mlspec(tmp_path)) == ["1 spec checked: all good"]


def test_the_readme_counts_right() -> None:
    members = {
        name: kinds.load("mlspec.families", name) for name in kinds.names("mlspec.families") if name.startswith("sklearn.")
    }
    realised = sum(metric.realised for metric in metrics.CATALOGUE.values())
    assert f"{sum(member.realised for member in members.values())} scikit-learn families" in text_of(README)
    assert f"{realised} metrics with intervals" in text_of(README)


# the recipes


def recipes(page: Path) -> dict[str, str]:
    """The files that a page gives whole: path -> text."""
    return dict(re.findall(r"^In `([^`]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", text_of(page), flags=re.S | re.M))


def patched(root: Path, diff: str) -> None:
    """Apply a diff. Where a hunk begins is found by its lines, which must stand in the file once."""
    for path, body in re.findall(r"^--- a/(\S+)\n\+\+\+ b/\1\n(.*?)(?=^--- |\Z)", diff, flags=re.S | re.M):
        place = root / path
        for hunk in re.split(r"^@@.*\n", body, flags=re.M)[1:]:
            lines = hunk.splitlines(keepends=True)
            before = "".join(line[1:] for line in lines if line[0] != "+")
            after = "".join(line[1:] for line in lines if line[0] != "-")
            text = text_of(place)
            assert text.count(before) == 1, f"{path} no longer holds\n{before}"
            place.write_text(text.replace(before, after), encoding="utf-8")


def data(directory: Path) -> None:
    import polars as pl
    from sklearn import datasets

    bunch = datasets.load_diabetes()
    columns = dict(zip(bunch.feature_names, bunch.data.T, strict=True))
    pl.DataFrame({**columns, "target": bunch.target}).write_ipc(directory / "patients.arrow")


def outcome(command: str, directory: Path, environment: dict[str, str]) -> dict[str, str]:
    """Run a command that ends well and return where what it shows lies."""
    ended = subprocess.run(
        ["sh", "-c", command], cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads(ended.stdout[ended.stdout.rindex("\n{\n") + 1 :] if "\n{\n" in ended.stdout else ended.stdout)
    assert told["state"] == "succeeded"
    return dict(told["shown"])


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout as the recipes leave it."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("mlspec", "backends", "templates", "requirements"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    for path, text in recipes(EXTENDING).items():
        if "/" in path:
            assert not (root / path).exists(), f"{path} is there already: the recipe needs another example"
            (root / path).write_text(text, encoding="utf-8")
    for diff in blocks(EXTENDING, "diff"):
        patched(root, diff)
    return root


@pytest.mark.slow
def test_the_recipes_work_together(checkout: Path, tmp_path: Path) -> None:
    files = recipes(EXTENDING)
    data(tmp_path)
    for name in ("all.yaml", "scores.py"):
        (tmp_path / name).write_text(files[name], encoding="utf-8")
    environment = mlspec(tmp_path, path=checkout)
    assert say("mlspec lint all.yaml --level warning", tmp_path, environment) == ["1 spec checked: all good"]
    owned = (
        "mlspec lint all.yaml --select HSE001 --set project.phase=production --set project.owner=a@example.org --format concise"
    )
    assert any("owner-outside-the-house" in line for line in say(owned, tmp_path, environment))
    assert "Why this is bad" in say("mlspec explain owner-outside-the-house", tmp_path, environment)
    here = outcome("mlspec run all.yaml --json", tmp_path, environment)
    measured = json.loads((tmp_path / here["metrics.json"]).read_text())["metrics"]
    assert 0.04 < measured["msle"]["value"] < 0.25
    assert measured["msle"]["low"] < measured["msle"]["value"] < measured["msle"]["high"]
    assert measured["within_50"]["value"] > 0.5
    there = outcome("mlspec run all.yaml --backend make --json", tmp_path, environment)
    for name in ("metrics.json", "decision.json", "splits.json", "predictions.parquet"):
        assert (tmp_path / there[name]).read_bytes() == (tmp_path / here[name]).read_bytes(), name
    missed = say("mlspec run all.yaml --backend make --set 'requirements.metrics[0].target=<= 0.1'", tmp_path, environment)
    assert any(line.startswith("all on make: FAILED") for line in missed)
    assert any("the requirement is <= 0.1" in line for line in missed)
    assert missed[-1] == "exit code 1"


def held(part: Any, whole: Any) -> bool:
    """Whether a piece of data stands in another: mappings may have more keys there, and lists more entries."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and held(value, whole[key]) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(held(one, other) for other in whole) for one in part)
    return bool(part == whole)


def anywhere(part: Any, whole: Any) -> bool:
    inner = whole.values() if isinstance(whole, dict) else whole if isinstance(whole, list) else ()
    return held(part, whole) or any(anywhere(part, one) for one in inner)


def test_each_snippet_of_the_recipes_is_in_the_whole() -> None:
    """What each recipe ends with is part of the spec that is run."""
    whole = yaml.safe_load(recipes(EXTENDING)["all.yaml"])
    found = re.findall(r"^In the spec: `(.*)`\.$", text_of(EXTENDING), flags=re.M)
    assert len(found) == 6
    for snippet in found:
        assert anywhere(yaml.safe_load(snippet), whole), snippet
    assert not anywhere({"kind": "clip", "low": 0.06}, whole)


def test_faults_of_the_new_kinds_are_placed(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(recipes(EXTENDING)["all.yaml"].replace("low: 0.05", "low: 0.7"), encoding="utf-8")
    said = say("mlspec lint all.yaml --format concise", tmp_path, mlspec(tmp_path, path=checkout))
    assert said == ["all.yaml:12:30: error[out-of-range] `0.7` is out of range: this is below 0.5", "exit code 1"]


def test_plug_ins_are_found(tmp_path: Path) -> None:
    """The same files in an installed package: what an installer leaves of its pyproject.toml is `entry_points.txt`."""
    files = recipes(EXTENDING)
    groups = tomllib.loads(files["pyproject.toml"])["project"]["entry-points"]
    written = {
        "clip": files["mlspec/transforms/clip.py"],
        "bayesian_ridge": files["mlspec/families/sklearn_bayesian_ridge.py"],
        "make": files["backends/make.py"],
    }
    site = tmp_path / "site"
    (site / "mlspec_extras").mkdir(parents=True)
    (site / "mlspec_extras" / "__init__.py").touch()
    for module, text in written.items():
        (site / "mlspec_extras" / f"{module}.py").write_text(text, encoding="utf-8")
    info = site / "mlspec_extras-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mlspec-extras\nVersion: 1.0\n", encoding="utf-8")
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[{group}]", *(f"{name} = {place}" for name, place in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    text = re.sub(r"(?m)^.*(msle|within_50).*\n", "", files["all.yaml"]).replace("requirements:\n  metrics:\n", "")
    text = re.sub(r"(?m)^  checks.*\n", "", text).replace("kind: arrow, path: patients.arrow", "kind: sklearn, dataset: diabetes")
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    environment = mlspec(tmp_path)
    environment["PYTHONPATH"] = os.pathsep.join([str(site), environment["PYTHONPATH"]])
    assert "make       GNU make (mlspec-extras 1.0)" in say("mlspec backends", tmp_path, environment)
    assert say("mlspec lint own.yaml --level warning", tmp_path, environment) == ["1 spec checked: all good"]
    assert any("quantile" in line for line in say("mlspec explain features.clip.low", tmp_path, environment))
    said = say("mlspec compile own.yaml --backend make -o out", tmp_path, environment)
    assert said == ["all for make: 7 files written, 0 unchanged in out"]
    assert "featurize.done: split.done" in text_of(tmp_path / "out" / "Makefile")
