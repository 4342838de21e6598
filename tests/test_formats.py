"""Formats for other programs: valid by their schemas, complete, and any text in them is text."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec import display, formats
from mlspec.diagnostic import Diagnostic, Finding, Patch, Replacement, Severity, Span
from mlspec.formats import Report

SCHEMAS = Path(__file__).parent / "data" / "formats"
TEXT = "é: 1\n𐐀b: [1, 2]\nc: 3\n"


def schema(name: str) -> Any:
    data = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    kind = jsonschema.validators.validator_for(data)
    return kind(data)


SARIF, RDJSON, GITLAB = schema("sarif-2.1.0"), schema("rdjson"), schema("gitlab")
JUNIT = xmlschema.XMLSchema(str(SCHEMAS / "junit-10.xsd"))


HERE = Span(2, 3, 2, 4)


def one(
    message: str = "wrong",
    severity: Severity = Severity.ERROR,
    code: str = "target-among-features",
    span: Span | None = HERE,
) -> Diagnostic:
    finding = Finding(code, message, ("a", 0), severity, "write `b`", why="It leaks.")
    return Diagnostic(finding, "specs/s.yaml", span, (("declared here", "specs/s.yaml", Span(1, 1, 1, 2)),))


PATCH = Patch("make it an id", (Replacement("specs/s.yaml", 6, 7, "x"),), safe=False)
FOUND = [
    one(),
    replace(one("second", Severity.WARNING), patch=PATCH),
    one("third", Severity.INFO, code="no-page"),
    one("no place", span=None),
]


def report(found: list[Diagnostic], **texts: str) -> Report:
    return Report(["specs/s.yaml", "clean.yaml"], found, texts or {"specs/s.yaml": TEXT})


def render(name: str, found: list[Diagnostic]) -> Any:
    """Render, check against the schema, and return what a reader of the format gets."""
    text = formats.render(name, report(found))
    text.encode("ascii" if name in ("sarif", "gitlab", "rdjson") else "utf-8")
    if name == "github":
        return text
    if name == "junit":
        JUNIT.validate(text)
        return ET.fromstring(text)
    data = json.loads(text)
    {"sarif": SARIF, "gitlab": GITLAB, "rdjson": RDJSON}[name].validate(data)
    return data


@pytest.mark.parametrize("name", formats.NAMES)
def test_every_format_is_valid(name: str) -> None:
    render(name, FOUND)
    render(name, [])


def test_the_schemas_refuse() -> None:
    for kind, name, spoil in [
        (SARIF, "sarif", lambda data: data["runs"][0]["results"][0].update(level="bad")),
        (RDJSON, "rdjson", lambda data: data["diagnostics"][0].update(extra=1)),
        (GITLAB, "gitlab", lambda data: data[0].pop("fingerprint")),
    ]:
        data = render(name, FOUND)
        spoil(data)
        assert not kind.is_valid(data)
    assert not JUNIT.is_valid("<testsuites><testcase/></testsuites>")


def test_sarif() -> None:
    (run,) = render("sarif", FOUND)["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["target-among-features", "no-page"]
    assert "## Why this is bad" in rules[0]["help"]["markdown"]
    assert rules[0]["helpUri"].endswith("#target-among-features")
    first, second, third, placeless = run["results"]
    assert [result["level"] for result in run["results"]] == ["error", "warning", "note", "error"]
    assert [result["ruleIndex"] for result in run["results"]] == [0, 0, 1, 0]
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "specs/s.yaml", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 2, "startColumn": 3, "endLine": 2, "endColumn": 4}
    assert placeless["locations"][0]["physicalLocation"]["region"]["startLine"] == 1
    assert first["relatedLocations"][0]["message"]["text"] == "declared here"
    (fix,) = second["fixes"]
    assert fix["description"]["text"] == "make it an id"
    (change,) = fix["artifactChanges"][0]["replacements"]
    assert change == {
        "deletedRegion": {"startLine": 2, "startColumn": 2, "endLine": 2, "endColumn": 3},
        "insertedContent": {"text": "x"},
    }
    prints = [result["partialFingerprints"]["mlspec/v1"] for result in run["results"]]
    assert len(set(prints)) == 4
    assert third["message"]["text"] == "third\nIt leaks.\nwrite `b`"


def test_a_link_in_a_message_is_text() -> None:
    (run,) = render("sarif", [one("see [here](https://evil.example)"), one("columns[0] is wrong")])["runs"]
    texts = [result["message"]["text"] for result in run["results"]]
    assert texts[0].startswith(r"see \[here\](https://evil.example)")
    assert texts[1].startswith("columns[0] is wrong")


def test_github() -> None:
    lines = render("github", [one("50% is: a, b\r\n::error::no")]).split("\n")
    assert lines == [
        "::error file=specs/s.yaml,title=mlspec target-among-features,line=2,endLine=2,col=3,endColumn=4"
        "::50%25 is: a, b%0D%0A::error::no%0Awrite `b`"
    ]
    odd = replace(one(span=Span(2, 1, 3, 2)), file="a,b:c%.yaml")
    (line,) = render("github", [odd]).split("\n")
    assert line.startswith("::error file=a%2Cb%3Ac%25.yaml,title=mlspec target-among-features,line=2,endLine=3::")


def test_gitlab() -> None:
    issues = render("gitlab", FOUND)
    assert [issue["severity"] for issue in issues] == ["critical", "major", "info", "critical"]
    assert len({issue["fingerprint"] for issue in issues}) == 4
    assert issues[0]["location"]["positions"]["begin"] == {"line": 2, "column": 3}
    (moved,) = render("gitlab", [one(span=Span(3, 1, 3, 2))])
    assert moved["fingerprint"] == issues[0]["fingerprint"]
    (dotted,) = render("gitlab", [replace(one(), file="./s.yaml")])
    assert dotted["location"]["path"] == "s.yaml"


def test_junit() -> None:
    suites = render("junit", FOUND)
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in suites] == [
        ("specs/s.yaml", "4", "3"),
        ("clean.yaml", "1", "0"),
    ]
    cases = list(suites[0])
    assert [[child.tag for child in case] for case in cases] == [["failure"], ["failure"], ["system-out"], ["failure"]]
    assert cases[0][0].get("message") == "wrong"
    assert (suites.get("tests"), suites.get("failures")) == ("5", "3")


def test_rdjson_counts_bytes() -> None:
    first, second, *_ = render("rdjson", FOUND)["diagnostics"]
    assert first["location"]["range"] == {"start": {"line": 2, "column": 6}, "end": {"line": 2, "column": 7}}
    assert first["code"]["url"].endswith("#target-among-features")
    (suggestion,) = second["suggestions"]
    assert suggestion == {"range": {"start": {"line": 2, "column": 5}, "end": {"line": 2, "column": 6}}, "text": "x"}


def test_json_has_everything() -> None:
    told = display.as_json(FOUND, formats.manual)
    (fixed,) = [entry for entry in told if entry["fix"]]
    assert fixed["fix"] == {
        "title": "make it an id",
        "safe": False,
        "replacements": [{"file": "specs/s.yaml", "start": 6, "end": 7, "text": "x"}],
    }
    assert re.fullmatch(r"LEA\d{3}", fixed["rule"])
    assert (fixed["why"], fixed["layer"]) == ("It leaks.", "")
    assert fixed["url"].endswith("rules.md#target-among-features")
    assert {(entry["rule"], entry["url"]) for entry in told if entry["code"] == "no-page"} == {("", "")}


def test_names_of_files() -> None:
    for file, uri in [
        ("a b.yaml", "a%20b.yaml"),
        ("/x/é.yaml", "file:///x/%C3%A9.yaml"),
        ("a:b", "a%3Ab"),
        ("\udcff", "%FF"),
        ("\ud800", "%3F"),
    ]:
        (run,) = render("sarif", [replace(one(), file=file)])["runs"]
        assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


ANY = st.text(
    st.one_of(st.characters(), st.sampled_from("\r\n%:,[](){}<>&\"'\\\x1b\x00\ufeff\u2028\u202e\ud800]]>")), max_size=30
)


@given(ANY, ANY, ANY)
@settings(max_examples=150, deadline=None)
def test_any_text_is_text(message: str, advice: str, file: str) -> None:
    finding = Finding("id-as-feature", message or "m", ("a",), Severity.ERROR, advice, why=message)
    patch = Patch(message, (Replacement(file or "f", 0, 1, advice),))
    found = [Diagnostic(finding, file or "f", Span(1, 1, 1, 2), ((message, file or "f", Span(1, 1, 1, 1)),), patch=patch)]
    given = Report([file or "f"], found, {file or "f": "text"})
    said = formats.said(found[0])
    (run,) = json.loads(formats.render("sarif", given))["runs"]
    SARIF.validate({"version": "2.1.0", "runs": [run]})
    told = run["results"][0]["message"]["text"]
    assert "\n".join(filter(None, [finding.message, message, advice])) in (told, re.sub(r"\\([\\\[\]])", r"\1", told))
    (issue,) = json.loads(formats.render("gitlab", given))
    assert issue["description"] == said
    (entry,) = json.loads(formats.render("rdjson", given))["diagnostics"]
    RDJSON.validate({"diagnostics": [entry]})
    assert entry["message"] == said
    assert entry["suggestions"][0]["text"] == advice
    command = formats.render("github", given)
    assert command.count("\n") == 0
    assert not [char for char in command if char != " " and display.visible(char) != char]
    assert command.startswith("::error file=")
    assert ET.fromstring(formats.render("junit", given)).find(".//failure") is not None
    JUNIT.validate(formats.render("junit", given))
