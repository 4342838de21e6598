"""A picture of a pipeline shows every step and what asked for it, families as one; hostile text stays text in all three forms."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from mlspec import build
from mlspec.graph import mermaid, page, svg
from mlspec.graph.picture import STAGES, Node, Picture, picture
from mlspec.ir import Pipeline
from tests.test_hostile import HOSTILE, pipelines

ROOT = Path(__file__).parent.parent
CHURN, COLOURS = ROOT / "specs" / "churn.yaml", ROOT / "specs" / "wine-by-colour.yaml"
EVERYTHING = ROOT / "tests" / "data" / "coverage" / "everything.yaml"
SVG = "{http://www.w3.org/2000/svg}"


def pipeline_of(spec: Path, *sets: str) -> Pipeline:
    return build.pipeline_of(build.open_spec(spec, sets=sets))


def mlspec(folder: Path, *arguments: str, check: int) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run([sys.executable, "-m", "mlspec", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.returncode == check, ended.stdout + ended.stderr
    return ended


def shown(text: str) -> list[str]:
    """Return the names on the boxes of a drawing."""
    return [one.text or "" for one in ET.fromstring(text).iter(f"{SVG}text") if one.get("class") == "id"]


class Seen(HTMLParser):
    """What a browser would make of a page: its tags with their attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


def read(text: str) -> Seen:
    seen = Seen()
    seen.feed(text)
    seen.close()
    return seen


# -- what is drawn


@pytest.mark.parametrize("spec", [CHURN, EVERYTHING], ids=lambda spec: spec.stem)
def test_each_step_is_there_once_with_what_asked_for_it(spec: Path) -> None:
    pipeline = pipeline_of(spec)
    drawn = picture(pipeline, whole=True)
    ids = [step.id for step in (*pipeline.steps, *pipeline.exit)]
    assert [node.id for node in drawn.nodes] == ids
    assert drawn.steps == len(ids)
    assert sorted(shown(svg.text(drawn))) == sorted(ids)
    text = mermaid.text(drawn)
    assert all(re.search(rf"^    step_{one}\W", text, re.MULTILINE) for one in ids)
    assert all(node.asked for node in drawn.nodes)
    assert any(f"splits ({spec.name}:" in asked for node in drawn.nodes for asked in node.asked)
    assert all(f"step_{a} --> step_{b}" in text for a, b in drawn.edges)


def test_what_must_wait_can_be_read_from_the_arrows() -> None:
    """An arrow that follows from others is left out, and none that does not."""
    pipeline = pipeline_of(CHURN)
    drawn = picture(pipeline, whole=True)
    before: dict[str, set[str]] = {}
    for node in drawn.nodes:
        direct = [a for a, b in drawn.edges if b == node.id]
        before[node.id] = {*direct, *(one for a in direct for one in before[a])}
    assert all(a in before[b] for a, b in pipeline.edges)
    assert len(drawn.edges) < len(list(pipeline.edges))


def test_gates_approvals_and_exits_have_shapes_of_their_own() -> None:
    shapes = {node.id: node.shape for node in picture(pipeline_of(EVERYTHING)).nodes}
    assert {name for name, shape in shapes.items() if shape == "gate"} == {"check_data", "gate", "enough", "gate_exports"}
    assert {name for name, shape in shapes.items() if shape == "approval"} == {"sign_off"}
    assert {name for name, shape in shapes.items() if shape == "exit"} == {"notify"}


def test_a_family_is_one_box() -> None:
    many = ", ".join(f"m_{number}" for number in range(40))
    sets = (f"for_each.values=[{many}]", f"data.columns.colour.values=[{many}]")
    pipeline = pipeline_of(COLOURS, *sets)
    assert len(pipeline.steps) > 600
    drawn = picture(pipeline)
    names = [node.name for node in drawn.nodes]
    assert len(names) < 25
    assert {"train × 40", "trial × 200", "summary"} <= set(names)
    assert not any("m_0" in node.summary for node in drawn.nodes)  # what is said of one item is not said of all
    assert f"{len(names)} boxes for {len(pipeline.steps)} steps" in page.text(drawn)
    width = float(ET.fromstring(svg.text(drawn)).get("width", "0"))
    assert width < 1000
    assert len(picture(pipeline, whole=True).nodes) == len(pipeline.steps)


def test_an_approval_before_a_later_stage_does_not_cost_the_bands() -> None:
    """`sign_off` belongs to modeling and waits for `package`: it is drawn below it, and every stage has its band."""
    root = ET.fromstring(svg.text(picture(pipeline_of(EVERYTHING))))
    bands = [one.text for one in root.iter(f"{SVG}text") if one.get("class") == "stage"]
    assert bands == ["data", "modeling", "deployment", "at the end, in any case"]
    top = {}
    for group in root.iter(f"{SVG}g"):
        if "node" in (group.get("class") or "").split():
            [name] = [one.text for one in group if one.get("class") == "id"]
            top[name] = float(re.findall(r"[\d.]+", group.get("transform", ""))[1])
    assert top["package"] < top["sign_off"] < top["register"] < top["notify"]


def test_the_same_pipeline_gives_the_same_bytes() -> None:
    first, second = (picture(pipeline_of(COLOURS)) for _ in range(2))
    for form in (mermaid, svg, page):
        assert form.text(first) == form.text(second)


def test_a_page_fetches_nothing() -> None:
    text = page.text(picture(pipeline_of(CHURN)))
    assert "default-src 'none'" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    assert "@import" not in text
    assert not {"link", "img", "iframe"} & set(read(text).tags)


# -- hostile text

BAD = "".join(HOSTILE) + '"]; click step_a call alert(1)\nend\n<img src=x onerror=alert(1)> $$x$$ %%{init: {}}%% #35;'


def hostile_picture() -> Picture:
    nodes = tuple(
        Node(name, BAD, "python", stage, shape, BAD, (BAD, BAD), (BAD,))
        for name, stage, shape in (("a", "data", "step"), ("end", "modeling", "gate"), ("b", "exit", "exit"))
    )
    return Picture(BAD, 3, nodes, (("a", "end"),), (("end", "a"),))  # type: ignore[arg-type]


LINE = re.compile(
    r"flowchart TD|  end|  subgraph stage_\w+\[\"[a-z, ]+\"\]|%% [^\n]*|  step_\w+ (?:-->|-\.->) step_\w+"
    r"|    step_\w+(?:\[|\{\{|\(\[|\[\[)\"(?P<label>[^\"]*)\"(?:\]|\}\}|\]\)|\]\])"
    r"|  classDef \w+ stroke:#[0-9a-f]{6},stroke-width:2px|  class [\w,]+ \w+"
)


def check_mermaid(text: str) -> None:
    for line in text.splitlines():
        found = LINE.fullmatch(line)
        assert found, line
        label = (found["label"] or "").replace("<br/>", " ")
        assert re.fullmatch(r"(?:[\w .,:/()×-]|#\d+;)*", label, re.ASCII), label
        assert "#36;#36;" not in label


def check_page(text: str, plain: str) -> None:
    seen = read(text)
    assert [(tag, seen.tags.count(tag)) for tag in ("script", "img", "style", "a")] == [
        ("script", 1),
        ("img", 0),
        ("style", 2),
        ("a", 0),
    ]
    assert not [name for name, _ in seen.attributes if name.startswith("on") or name in ("href", "src")]
    assert set(seen.tags) == set(read(plain).tags)


def test_hostile_text_stays_text() -> None:
    drawn = hostile_picture()
    check_mermaid(mermaid.text(drawn))
    root = ET.fromstring(svg.text(drawn))  # a control character, or markup, would not be read
    assert {one.tag.removeprefix(SVG) for one in root.iter()} == {
        "svg", "style", "defs", "marker", "path", "g", "rect", "text", "title",
    }  # fmt: skip
    assert "onerror=alert(1)" in (root.find(f".//{SVG}title").text or "")  # type: ignore[union-attr]
    check_page(page.text(drawn), page.text(picture(pipeline_of(CHURN))))


@given(pipelines())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_hostile_pipelines_are_drawn(pipeline: Pipeline) -> None:
    drawn = picture(pipeline)
    check_mermaid(mermaid.text(drawn))
    assert len(shown(svg.text(drawn))) == len(drawn.nodes)
    assert {node.stage for node in drawn.nodes} <= set(STAGES)
    assert read(page.text(drawn)).tags.count("script") == 1


# -- the command


def test_the_command(tmp_path: Path) -> None:
    spec = str(CHURN)
    told = mlspec(tmp_path, "graph", spec, check=0)
    assert told.stdout.splitlines()[1] == "flowchart TD"
    assert "step_split --> step_featurize" in told.stdout
    for name, start in (("a.svg", "<svg "), ("b.HTML", "<!doctype html>"), ("deep/c.mmd", "%% ")):
        assert mlspec(tmp_path, "graph", spec, "-o", name, check=0).stdout == ""
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)
    assert mlspec(tmp_path, "graph", spec, "--format", "svg", check=0).stdout == (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert mlspec(tmp_path, "graph", spec, "--format", "svg", "-o", "d.txt", check=0).stderr == ""


def test_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("mlspec: 1\n")
    assert "does not say how to draw" in mlspec(tmp_path, "graph", str(CHURN), "-o", "a.png", check=2).stderr
    assert not (tmp_path / "a.png").exists()
    assert "there is no file absent.yaml" in mlspec(tmp_path, "graph", "absent.yaml", check=1).stderr
    assert "`project`" in mlspec(tmp_path, "graph", "broken.yaml", check=1).stderr
    mlspec(tmp_path, "graph", str(CHURN), "--format", "dot", check=2)


def test_what_mermaid_would_refuse_is_said(tmp_path: Path) -> None:
    trials = ("--set", "training.tuning.trials=120")
    assert "as SVG or HTML" in mlspec(tmp_path, "graph", str(COLOURS), "--all", *trials, check=0).stderr
    assert mlspec(tmp_path, "graph", str(COLOURS), *trials, check=0).stderr == ""
