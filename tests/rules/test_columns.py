"""What rules read out of columns' names: what they must see, and what they must leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec import lint
from mlspec.rules._columns import names_entity, names_rows, words

BASE = Path(__file__).parent.parent / "data" / "rules" / "base.yaml"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("customerID", ("customer", "id")),
        ("customer_id", ("customer", "id")),
        ("TotalCharges", ("total", "charges")),
        ("HTTPStatus2", ("http", "status", "2")),
        ("residual sugar", ("residual", "sugar")),
        ("größe", ("gr", "e")),
        ("", ()),
    ],
)
def test_words(name: str, wanted: tuple[str, ...]) -> None:
    assert words(name) == wanted


def test_names_that_sound_like_keys() -> None:
    keys = ["id", "customerID", "order_uuid", "userid", "ID", "row_number", "patient id"]
    others = ["paid", "valid", "idle_time", "humidity", "grid", "id_card_type", "index_fund", "fluid", ""]
    assert [name for name in keys if not names_rows(name)] == []
    assert [name for name in others if names_rows(name)] == []
    assert names_entity("patient_id")
    assert not names_entity("order_id")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("churn_date", "target-copied-in-feature"),
        ("churned", "target-copied-in-feature"),
        ("Churn_flag", "target-copied-in-feature"),
        ("is_churn", "target-copied-in-feature"),
        ("churn_probability", "earlier-prediction-as-feature"),
        ("y_pred", "earlier-prediction-as-feature"),
        ("cancelled_at", "feature-known-too-late"),
        ("terminationReason", "feature-known-too-late"),
        ("outcome", "feature-known-too-late"),
        ("ticket_id", "id-as-feature"),
        # what is of an earlier time, of many rows, or means something else
        ("previous_churn_date", ""),
        ("churn_rate_of_region", ""),
        ("last_outcome", ""),
        ("poutcome", ""),
        ("label_printer_model", ""),
        ("resolution", ""),
        ("credit_score", ""),
        ("predicted_delivery_days", ""),
        ("humidity", ""),
        ("paid", ""),
    ],
)
def test_a_feature_of_this_name(name: str, code: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"extends: {BASE}\ndata: {{columns: {{{name}: {{unit: none}}}}}}\n", encoding="utf-8")
    found = {one.finding.code for one in lint.check(spec).diagnostics} - {"not-realised-yet"}
    assert found == ({code} if code else set())
