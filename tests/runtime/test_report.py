"""The report: one page that opens offline, says the same for the same artifacts, and shows every string of the data as text."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mlspec import runtime
from mlspec.runtime import advice, glossary, listing, metric, report
from mlspec.runtime.artifact import write_json
from mlspec.runtime.figure import canvas, compare, graph, marks, scores

SAMPLES = Path(__file__).parent.parent / "data" / "report"
NAMES = ("binary", "multiclass", "regression")
OPTIONAL = ("baseline", "cross_validation", "importance")
VOID = {"meta", "br", "wbr", "path", "rect", "circle", "use"}
TAGS = {
    "html", "head", "meta", "title", "style", "body", "a", "div", "nav", "p", "ul", "li", "main", "header", "span", "bdi", "code", "h1", "h2", "h3",
    "svg", "path", "circle", "rect", "g", "defs", "clippath", "use", "text", "marker", "strong", "small", "dl", "dt", "dd", "section", "table", "thead",
    "tbody", "tr", "th", "td", "caption", "figure", "figcaption", "details", "summary", "pre", "b", "i", "wbr", "br", "footer",
}  # fmt: skip
HOSTILE = (
    '"><script>alert(1)</script>', "</style><img src=x onerror=alert(1)>", "' onmouseover='alert(1)' x='", "$\\frac{1}{0}$ $", "{{ 7 * 7 }}",
    "\u202egnp.exe", "مرحبا بالعالم", "👩‍🚀 日本語 ∰", "nul\x00bell\x07", "a" * 3000, "<!--", "]]>", "&amp;&lt;", "-->", "\u2801n",
)  # fmt: skip


def load(name: str) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (SAMPLES / name).glob("*.json")}


def make(artifacts: dict[str, Any], folder: Path) -> tuple[str, dict[str, Any]]:
    """Write the artifacts as their ops do, run the op, and return the page and its facts."""
    inputs = {}
    for port, value in artifacts.items():
        if port == "predictions":
            inputs[port] = folder / port
            pl.DataFrame(value).write_parquet(inputs[port])
        elif port != "params":
            inputs[port] = folder / port
            write_json(inputs[port], value)
    facts = runtime.run("report", inputs=inputs, outputs={"page": folder / "page"}, params=artifacts["params"])
    return (folder / "page").read_text(encoding="utf-8"), facts


class Page(HTMLParser):
    """Elements in order as (tag, attributes), the text outside of `<style>`, and what does not nest."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.misnested: list[str] = []
        self.text = ""
        self.comments: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in VOID or (tag in ("path", "rect", "circle", "use") and not self.get_starttag_text().endswith("/>")):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.misnested.append(tag)

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {name: make(load(name), tmp_path_factory.mktemp(name))[0] for name in NAMES}


def check_page(text: str) -> Page:
    """Hold a page against what every page must keep: it nests, links to itself only, and runs and fetches nothing."""
    page = Page(text)
    assert page.misnested == []
    assert page.open == []
    assert page.comments == []
    assert {tag for tag, _ in page.elements} <= TAGS
    assert [tag for tag, _ in page.elements].count("style") == 1
    names = {name for _, attributes in page.elements for name in attributes}
    assert not [
        name
        for name in names
        if name.startswith("on") or name in ("src", "srcset", "srcdoc", "action", "xlink:href", "ping", "background")
    ]
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {f"#{one}" for one in ids} >= set(page.values("href"))
    assert set(ids) >= set(page.values("aria-labelledby"))
    assert set(re.findall(r"url\(([^)]*)\)", text)) <= {f"#{one}" for one in ids}
    assert "@import" not in text
    return page


@pytest.mark.parametrize("name", NAMES)
def test_page_nests_links_only_to_itself_and_runs_nothing(pages: dict[str, str], name: str) -> None:
    page = check_page(pages[name])
    assert "default-src 'none'" in " ".join(page.values("content"))
    assert not re.search(
        r"https?://|//[a-z]", " ".join(value for _, attributes in page.elements for value in attributes.values())
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_words_and_a_table(pages: dict[str, str], name: str) -> None:
    figures = re.findall(r"<figure.*?</figure>", pages[name], re.DOTALL)
    assert len(figures) == {"binary": 8, "multiclass": 4, "regression": 7}[name]
    for figure in figures:
        assert re.search(r'role="img" aria-label="[^"]{20,}"', figure)
        assert "<tbody>\n<tr>" in figure
        assert figure.count('<th scope="col"') >= 2
    shown = [attributes for tag, attributes in Page(pages[name]).elements if tag == "svg"]
    assert all(attributes.get("aria-hidden") == "true" or attributes.get("aria-label") for attributes in shown)


def test_verdict_comes_first_and_failed_requirements_before_others(pages: dict[str, str]) -> None:
    text = Page(pages["multiclass"]).text
    assert "2 of 3 requirements are not met: accuracy, overfitting." in text
    assert text.index("accuracy >= 0.9") < text.index("gap of accuracy from train to test") < text.index("f1 >= 0.6")
    assert "All 5 requirements are met. 1 of them within the margin of error." in Page(pages["binary"]).text


def test_requirements_link_to_the_line_of_the_spec_that_asked(pages: dict[str, str]) -> None:
    anchor = re.search(r'href="#(spec-\d+)"><code>evaluation\.<wbr>beat_<wbr>baseline_<wbr>by', pages["binary"])
    assert anchor
    assert f'id="{anchor[1]}">  <b>beat_baseline_by:</b> <i>0.02</i>' in pages["binary"]


def test_a_metric_that_is_no_number_says_why(pages: dict[str, str]) -> None:
    assert "not a number: the model gives no probabilities" in Page(pages["binary"]).text
    assert "mean radius from 20, 31 rows: all rows are malignant" in Page(pages["binary"]).text


def test_values_of_personal_columns_stay_out(pages: dict[str, str], tmp_path: Path) -> None:
    assert "P-0001" not in pages["binary"]
    artifacts = load("binary")
    artifacts["params"]["spec"]["data"]["columns"] = {}
    artifacts["profile"]["columns"][0]["role"] = "feature"
    assert "P-0001" in make(artifacts, tmp_path)[0]


def test_the_decision_that_decide_writes_is_shown(tmp_path: Path) -> None:
    artifacts = load("regression")
    evidence_ports = {"metrics", "baseline", "validation", "manifest"}
    for port in evidence_ports:
        write_json(tmp_path / port, artifacts[port])
    wishes = [
        {"id": "a", "kind": "metric", "metric": "rmse", "op": "<=", "value": 60, "route": ["requirements", "metrics", 0, "target"], "primary": True},
        {"id": "b", "kind": "beat_baseline", "metric": "rmse", "by": 2, "route": ["evaluation", "beat_baseline_by"]},
        {"id": "c", "kind": "overfitting", "metric": "rmse", "max_gap": 5, "route": ["evaluation", "overfitting"]},
        {"id": "d", "kind": "worst_slice", "metric": "rmse", "min_rows": 10_000, "max_drop": 0.1, "route": ["evaluation", "worst_slice"]},
        {"id": "e", "kind": "split", "route": ["splits"]},
        {"id": "f", "kind": "data", "route": ["data", "checks"]},
    ]  # fmt: skip
    names = {port: f"{port}_step.out" for port in evidence_ports}
    runtime.run(
        "decide",
        inputs={port: tmp_path / port for port in evidence_ports},
        outputs={"decision": tmp_path / "decision"},
        params={"requirements": wishes, "names": names},
    )
    artifacts["decision"] = json.loads((tmp_path / "decision").read_text())
    text, facts = make(artifacts, tmp_path)
    shown = check_page(text).text
    assert facts["verdict"] == "fail"
    assert (
        "4 of 6 requirements are not met: gain of rmse over the baseline, gap of rmse from train to test, drop of rmse in the worst slice and 1 more."
        in shown
    )
    assert "not a number: no slice has 10000 test rows" in shown
    assert "manifest_step.out" in shown
    assert "1 failed" in shown
    assert "none failed" in shown


@pytest.mark.parametrize("name", NAMES)
def test_what_a_run_does_not_have_is_left_out(name: str, tmp_path: Path) -> None:
    artifacts = load(name)
    for port in OPTIONAL:
        artifacts.pop(port, None)
    artifacts["params"] = {"task": artifacts["params"]["task"]}
    artifacts["curves"] = {"confusion": artifacts["curves"]["confusion"]} if name != "regression" else {
        "predicted_actual": {"predicted": [], "actual": []}, "residuals": None, "residual_quantiles": {}, "over_time": None}  # fmt: skip
    artifacts["decision"] = {"verdict": "pass", "requirements": [], "summary": {"passed": 0, "failed": 0}}
    artifacts["metrics"]["slices"] = artifacts["metrics"]["fairness"] = []
    text, facts = make(artifacts, tmp_path)
    page = check_page(text)
    assert facts["figures"] == (0 if name == "regression" else 1)
    assert "The spec sets no requirement" in page.text
    assert not {"importance", "stability", "slices", "fairness", "pipeline", "spec"} & set(page.values("id"))


def test_hostile_text_is_shown_and_never_becomes_markup(tmp_path: Path) -> None:
    keep = {
        "pass", "fail", "warn", "not_applicable", "classification", "within the interval", "clear", "metric", "beat_baseline", "fairness", "data",
        "modeling", "deployment", "roc_auc", "recall", "target", "id", "sensitive", "feature", "number", "category", "string",
    }  # fmt: skip
    count = iter(range(10**6))
    seen: dict[str, str] = {}

    def poison(value: Any, keys: bool = False) -> Any:
        if isinstance(value, str) and value not in keep:
            return seen.setdefault(value, f"{HOSTILE[next(count) % len(HOSTILE)]} {value}")
        if isinstance(value, dict):
            deep = keys or {"classes", "groups", "counts", "spec"} & set(value)
            return {
                poison(k) if keys else k: poison(v, keys or k in ("classes", "groups", "counts", "spec")) if deep else poison(v)
                for k, v in value.items()
            }
        return [poison(one, keys) for one in value] if isinstance(value, list) else value

    artifacts = load("binary")
    poisoned = {port: poison(value) for port, value in artifacts.items()}
    poisoned["params"]["spec"] = poison(artifacts["params"]["spec"], keys=True)
    poisoned["params"]["about"]["name"] = "lone \ud800 surrogate"
    poisoned["metrics"]["fairness"][0]["groups"] = {
        poison(k): v for k, v in artifacts["metrics"]["fairness"][0]["groups"].items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text, _ = make(poisoned, tmp_path)
    page = check_page(text)
    for words in HOSTILE[:8]:
        assert words in page.text, words
    assert "nul\ufffdbell\ufffd" in page.text
    assert "lone \ufffd surrogate" in page.text


@pytest.mark.parametrize("words", HOSTILE)
def test_figures_take_any_words(words: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawings = [
            scores.confusion([words, "other"], [[3, 1], [0, 0]]),
            scores.score_histogram([0, 0.5, 1], {words: [1, 2], "other": [0, 0]}, 0.5, words),
            compare.importance([(words, 0.1, 0.02)], words),
            compare.forest([compare.Estimate(words, 9, 0.5, None, None, True)], compare.Estimate("all", 9, 0.6, 0.5, 0.7), words),
            compare.folds({words: [0.1, 0.2]}, {}),
        ]
    for drawing in drawings:
        page = Page(drawing.svg)
        assert page.misnested == []
        assert page.open == []
        assert {tag for tag, _ in page.elements} <= TAGS | {"title"}
        assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
        assert words[:6].strip() in page.text
        assert not re.search("[\u2802-\u28ff]", drawing.svg)


@pytest.mark.slow
def test_the_page_is_the_same_bytes_in_any_process_thread_and_user_setting(pages: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("svg.fonttype: path\nfont.size: 20\naxes.grid: False\nlines.linewidth: 9\n")
    script = "import sys; from pathlib import Path; from tests.runtime.test_report import load, make; make(load('binary'), Path(sys.argv[1]))"
    env = {**os.environ, "PYTHONHASHSEED": "1234", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "MATPLOTLIBRC": str(tmp_path)}
    root = Path(__file__).parent.parent.parent
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, env=env, cwd=root)
    assert (tmp_path / "page").read_text(encoding="utf-8") == pages["binary"]
    folders = [tmp_path / str(place) for place in range(4)]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda folder: make(load("regression"), folder)[0], folders))
    assert set(made) == {pages["regression"]}


def test_drawing_leaves_the_users_matplotlib_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl

    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)  # another test's library may have brought it
    with mpl.rc_context({"font.size": 33.0, "svg.hashsalt": None}):
        scores.confusion(["a", "b"], [[1, 0], [0, 1]])
        assert mpl.rcParams["font.size"] == 33.0
        assert mpl.rcParams["svg.hashsalt"] is None
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.parametrize("size", [2, 5, 12, 13, 60])
def test_confusion_matrix_of_many_classes(size: int) -> None:
    drawing = scores.confusion(
        [f"class {place}" for place in range(size)], [[10 if a == b else (a + b) % 3 for b in range(size)] for a in range(size)]
    )
    assert len(drawing.rows) == (size if size <= 12 else 30)
    assert Page(drawing.svg).misnested == []


def evidence_of(**changes: Any) -> tuple[dict[str, Any], ...]:
    artifacts = load("binary")
    artifacts["decision"]["requirements"] = artifacts["decision"]["requirements"][:1]
    artifacts["metrics"]["splits"] = {name: {"rows": 100, "metrics": {"roc_auc": value}} for name, value in changes.items()}
    artifacts["metrics"]["metrics"]["roc_auc"]["value"] = changes["test"]
    artifacts["decision"]["requirements"][0]["verdict"] = "pass" if changes["test"] >= 0.97 else "fail"
    return tuple(artifacts[name] for name in ("decision", "metrics", "validation", "manifest"))


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ({"train": 0.99, "dev": 0.90, "test": 0.90}, ["Overfitting"]),
        ({"train": 0.99, "test": 0.90}, ["Overfitting"]),
        ({"train": 0.80, "dev": 0.79, "test": 0.78}, ["Underfitting"]),
        ({"train": 0.98, "dev": 0.96, "test": 0.96}, []),
        ({"train": 0.98, "dev": 0.98, "test": 0.98}, []),
        ({"train": None, "dev": 0.98, "test": 0.90}, []),
        ({"train": 1.0, "dev": 1.0, "test": 1.0}, ["Too good to be true?"]),
    ],
)
def test_advice_follows_the_numbers(splits: dict[str, float | None], expected: list[str]) -> None:
    assert [one.title for one in advice.advise(*evidence_of(**splits))] == expected


def test_advice_for_a_loss_reads_the_other_way_round() -> None:
    artifacts = load("regression")
    titles = [
        one.title for one in advice.advise(*(artifacts[name] for name in ("decision", "metrics", "validation", "manifest")))
    ]
    assert titles == ["Data leakage", "Data quality", "Overfitting", "No better than the baseline"]


def test_advice_says_how_many_rows_would_settle_an_open_verdict() -> None:
    decision, metrics, *others = evidence_of(train=0.98, dev=0.98, test=0.98)
    metrics["metrics"]["roc_auc"].update(value=0.98, rows=100)
    decision["requirements"][0].update(value=0.98, low=0.96, high=1.0, certainty="within the interval", target="roc_auc >= 0.97")
    (found,) = advice.advise(decision, metrics, *others)
    assert (
        found.do[0] == "roc_auc: about 400 test rows would settle it (there are 100)"
    )  # twice as narrow takes four times the rows


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.8412345, "0.841"), (1.0, "1.000"), (0.0, "0.000"), (-0.25, "−0.250"), (1234567, "1,234,567"), (12345.6, "12,346"), (56.789, "56.79"),
     (0.00081, "0.00081"), (None, "–"), (3e20, "3e+20"), (999.94, "999.9")],
)  # fmt: skip
def test_numbers_for_people(value: float | None, text: str) -> None:
    assert canvas.number(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.5, "50 %"), (0.0712, "7.1 %"), (0.00001, "< 0.1 %"), (0.0, "0 %"), (1.0, "100 %"), (None, "–")]
)
def test_shares_for_people(share: float | None, text: str) -> None:
    assert canvas.percent(share) == text


@pytest.mark.parametrize(
    ("text", "target"),
    [("roc_auc >= 0.84", (">=", 0.84)), ("missing <= 5 %", ("<=", 0.05)), ("r2 > -1.5e-3", (">", -0.0015)), ("every check passes", None), ("f1>=.9", (">=", 0.9))],
)  # fmt: skip
def test_target_is_read_from_its_words(text: str, target: tuple[str, float] | None) -> None:
    assert marks.target_of(text) == target


finite = st.floats(-1e9, 1e9, allow_nan=False)


@given(st.tuples(finite, finite, finite).map(sorted), finite, st.sampled_from([">=", "<=", ">", "<", "=="]))
def test_marks_keep_their_order_and_stay_on_the_line(three: list[float], target: float, sign: str) -> None:
    low, value, high = three
    line = marks.line([(value, low, high)], (sign, target))
    assert line is not None
    assert line.target is not None
    at, left, right = line.marks[0]
    assert 0 <= left <= at <= right <= marks.WIDTH
    assert 0 <= line.target <= marks.WIDTH
    if value > target:
        assert at >= line.target
    if line.good:
        inside = line.good[0] <= at <= line.good[0] + line.good[1]
        assert inside or not {">=": value >= target, ">": value > target, "<=": value <= target, "<": value < target}[sign]


keys = st.text(min_size=1, max_size=8)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e6, 1e6) | st.text(max_size=12)
    | st.sampled_from(["yes", "No", ">= 0.8", "a: b", "- x", "#c", "", "2024-01-01", "12", "null", "~", "5 %", "k v", "Month-to-month"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(keys, plain, min_size=1, max_size=4))
def test_the_spec_reads_back_as_the_same_data(spec: dict[str, Any]) -> None:
    text = json.dumps(spec)
    if re.search(r"\\u00(7f|8|9)|\\ufff[ef]|\\ud[89a-f]|\\ufeff|\\u2028|\\u2029", text):
        return  # not YAML, however it is written
    lines = list(listing.lines(spec))
    written = "\n".join(f"{line.lead}{line.key}{' ' if line.key and line.value else ''}{line.value}" for line in lines)
    assert YAML(typ="safe", pure=True).load(written) == spec
    assert len(listing.anchors(lines)) == len(lines)


@st.composite
def graphs(pick: Any) -> tuple[list[dict[str, str]], list[tuple[str, str]]]:
    size = pick(st.integers(1, 16))
    pairs = [(a, b) for b in range(size) for a in range(b)]
    edges = pick(st.lists(st.sampled_from(pairs), max_size=30)) if pairs else []
    return [{"id": f"s{place}", "op": "python", "stage": "data", "summary": "does it"} for place in range(size)], [
        (f"s{a}", f"s{b}") for a, b in edges
    ]


@settings(max_examples=80, deadline=None)
@given(graphs())
def test_boxes_do_not_overlap_and_no_arrow_runs_through_one(drawn: tuple[list[dict[str, str]], list[tuple[str, str]]]) -> None:
    steps, edges = drawn
    laid = graph.layout(steps, edges)
    assert len(laid.boxes) == len(steps)
    assert len(laid.arrows) + laid.hidden == len(set(edges))
    for one in laid.boxes:
        assert 0 <= one.x <= laid.width - graph.BOX + 1e-6
        assert 0 <= one.y <= laid.height - graph.TALL
        for other in laid.boxes:
            assert one is other or one.y != other.y or abs(one.x - other.x) >= graph.BOX
    place = {one.id: one for one in laid.boxes}
    assert all(place[a].y < place[b].y for a, b in edges)
    for arrow in laid.arrows:
        for x, top in re.findall(r" ([\d.]+) [\d.]+V([\d.]+)", arrow):  # a lane: straight down beside the boxes of that layer
            same = [one for one in laid.boxes if abs(one.y + graph.TALL - float(top)) < 1]
            assert all(not one.x < float(x) < one.x + graph.BOX for one in same)


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_reduction_keeps_what_reaches_what(drawn: tuple[list[dict[str, str]], list[tuple[str, str]]]) -> None:
    nodes, edges = [step["id"] for step in drawn[0]], sorted(set(drawn[1]))

    def reach(pairs: list[tuple[str, str]]) -> set[tuple[str, str]]:
        found = set(pairs)
        while more := {(a, d) for a, b in found for c, d in found if b == c} - found:
            found |= more
        return found

    kept = graph.reduced(nodes, edges)
    assert reach(kept) == reach(edges)
    assert all(reach([one for one in kept if one != edge]) != reach(edges) for edge in kept)


def test_the_straight_line_is_a_straight_line() -> None:
    found = load("binary")["params"]["graph"]
    laid = graph.layout(found["steps"], found["edges"])
    assert laid.width <= 900
    assert laid.height <= 1300
    assert laid.hidden > 0


def test_every_metric_that_is_computed_is_explained() -> None:
    assert set(metric.CATALOGUE) <= set(glossary.METRICS)
    assert glossary.metric_title("my_own_metric") == "my own metric"
    assert glossary.metric_meaning("my_own_metric") == ""


def test_text_can_be_read_on_light_and_dark() -> None:
    css = (report._templates() / "style.css.j2").read_text()
    blocks = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6}|#[0-9a-f]{3})\b", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    ]
    light, dark, printed = (
        {name: colour if len(colour) == 7 else "#" + "".join(2 * one for one in colour[1:]) for name, colour in block.items()}
        for block in blocks
    )
    assert light.keys() == dark.keys() == printed.keys()

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def contrast(one: str, other: str) -> float:
        high, low = sorted((luminance(one), luminance(other)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for theme in (light, dark, printed):
        for ink in ("ink", "muted", "c1", "pass", "fail", "warn"):
            for paper in ("page", "card", "soft", f"{ink}-soft"):
                if paper in theme and not (paper == "soft" and ink in ("warn", "pass", "fail", "c1")):
                    assert contrast(theme[ink], theme[paper]) >= 4.5, (ink, paper, theme[ink], theme[paper])
        for mark in ("c2", "c3", "c4", "c5", "c6"):
            assert contrast(theme[mark], theme["card"]) >= 3, mark  # marks, by WCAG 1.4.11
