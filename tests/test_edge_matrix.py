"""The matrix of exports: its figures are what is promised, it is of all that the code has, and measuring it again gives the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from docs import edge_page
from mlspec import kinds
from mlspec.exports._export import Quantize

TOLD = json.loads(edge_page.FIGURES.read_text(encoding="utf-8"))
TREES = ("sklearn.random_forest", "sklearn.extra_trees", "sklearn.hist_gradient_boosting", "xgboost", "lightgbm")
NO_FORM = {"sklearn.k_neighbors", "custom"}
"""Families that have no form in tensor operations: neighbours search all training rows, and the user's own may be anything."""

NOTHING_TO_SHORTEN = {*TREES, "sklearn.dummy", "persistence"}


def kind_of(family: str) -> str:
    return str(TOLD["families"][family]["kind"])


def cells(way: str | None = None) -> list[Any]:
    """Every cell that has figures, as (family, format, way), with the figures."""
    return [
        pytest.param((family, kind, quantize), cell, id=f"{family}-{kind}-{quantize}".replace(", ", "-"))
        for kind, rows in TOLD["cells"].items()
        for family, row in rows.items()
        for quantize, cell in row.items()
        if "refused" not in cell and way in (None, quantize)
    ]


# nothing of the code is left out


def test_every_family_format_and_way_is_there() -> None:
    members: dict[str, Any] = {kind: kinds.load("mlspec.exports", kind) for kind in kinds.names("mlspec.exports")}
    written = {kind: member for kind, member in members.items() if member.realised and member.anywhere}
    assert {kind_of(name) for name in TOLD["families"]} == set(kinds.names("mlspec.families")), "make edge-matrix"
    assert set(TOLD["cells"]) == set(TOLD["lacks"]) == set(written), "make edge-matrix"
    for kind, member in written.items():
        assert set(TOLD["cells"][kind]) == set(TOLD["families"]), kind
        assert all(set(row) == {"none", *member.quantizes} for row in TOLD["cells"][kind].values()), kind
        absent = {way for way in get_args(Quantize) if way.removesuffix("_aware") not in ("none", *member.quantizes)}
        assert set(TOLD["lacks"][kind]) == absent, kind


def test_what_is_refused_is_refused_for_a_reason() -> None:
    for kind, rows in TOLD["cells"].items():
        for family, row in rows.items():
            for way, cell in row.items():
                why = cell.get("refused", "")
                if kind_of(family) in NO_FORM:
                    assert "no form in tensor operations" in why, (family, kind, way)
                elif kind_of(family) in NOTHING_TO_SHORTEN and way != "none":
                    assert "finds nothing to shorten" in why, (family, kind, way)
                else:
                    assert not why, (family, kind, way)


def test_there_are_rows_enough() -> None:
    """With 500 rows an agreement of 0.99 is more than chance; none of them has been seen before."""
    for one in TOLD["data"].values():
        assert one["test"] >= 500
        assert one["calibration"] <= one["train"]


# what is promised

MISSED = {**edge_page.EXPLAINED, **edge_page.LARGER}
"""Cells that do not keep a promise below, with the reason that the page gives: one that is no longer needed fails as well."""


def held(cell: tuple[str, str, str], **promises: bool) -> None:
    missed = [name for name, kept in promises.items() if not kept]
    if cell in MISSED:
        assert missed, f"{cell} keeps all that is promised: take it out of MISSED"
        return
    assert not missed, f"{cell}: {missed}"


@pytest.mark.parametrize(("cell", "found"), cells("none"))
def test_float32_is_the_model(cell: tuple[str, str, str], found: Any) -> None:
    most = 1e-6 if kind_of(cell[0]) in TREES else 1e-5
    agreement = found["agreement"]
    held(
        cell,
        finite=found["not_finite"] == 0,
        difference=found["max_difference"] <= most,
        no_row_off=found["rows_off"] == 0,
        agreement=agreement is None or agreement >= 0.999,
        metric=abs(found["drop"]) <= 1e-3,
    )


@pytest.mark.parametrize(("cell", "found"), cells("float16"))
def test_float16_is_close_and_small(cell: tuple[str, str, str], found: Any) -> None:
    plain = TOLD["cells"][cell[1]][cell[0]]["none"]
    weights = 4 * plain["numbers"]["float32"]
    held(
        cell,
        difference=found["max_difference"] <= 5e-3,
        metric=found["drop"] <= 2e-3,
        size=weights < 50_000 or found["size"] <= 0.6 * plain["size"],
    )


@pytest.mark.parametrize(("cell", "found"), cells("int8"))
def test_int8_says_the_same(cell: tuple[str, str, str], found: Any) -> None:
    agreement = found["agreement"]
    held(
        cell,
        finite=found["not_finite"] == 0,
        agreement=agreement is None or agreement >= 0.99,
        metric=found["drop"] <= TOLD["max_drop"],
    )


def test_what_fails_is_known_and_explained() -> None:
    failing = {cell.values[0] for cell in cells() if cell.values[1]["verdict"] != "pass"}
    assert failing == set(edge_page.EXPLAINED)


def test_what_is_slower_in_fewer_bits_is_flagged() -> None:
    """On a processor with fast floats, fewer bits may cost time: the page must not hide it."""
    page = edge_page.page()
    slower = [cell for cell in cells() if cell.values[1].get("to_float", 0) > edge_page.SLOWER]
    assert len(slower) == page.count(", slower |")


# measured again

AGAIN = [
    ("sklearn.logistic_regression", "tflite"),
    ("xgboost", "c"),
    ("sklearn.hist_gradient_boosting", "onnx"),
    ("sklearn.mlp", "onnx"),
    ("torch.cnn", "tflite"),
]
"""A few rows, among them a network whose numbers are shortened in every way that a format has."""


@pytest.mark.slow
@pytest.mark.parametrize(("family", "kind"), AGAIN)
def test_measured_again_it_is_the_same(family: str, kind: str, tmp_path: Path) -> None:
    """Sizes within 2 %, so that a library may say its version at greater length; what is not float within what processors do."""
    from docs import edge_matrix

    found = edge_matrix.cells(edge_matrix.prepared(edge_matrix.CASES[family]), kind, tmp_path, timed=False)
    before = TOLD["cells"][kind][family]
    assert found.keys() == before.keys()
    for way, cell in found.items():
        old = before[way]
        assert ("refused" in cell) == ("refused" in old), way
        if "refused" in cell:
            assert cell == old
            continue
        assert cell["size"] == pytest.approx(old["size"], rel=0.02), way
        assert cell["verdict"] == old["verdict"], way
        assert cell["agreement"] == pytest.approx(old["agreement"], abs=1e-3 if way == "none" else 1e-2), way
        assert cell["max_difference"] <= 10 * old["max_difference"] + 1e-6, way
        assert cell["rows_off"] == 0 or way != "none", way
