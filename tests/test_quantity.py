"""Numbers with a unit: what is read, what is written, what is said when neither is possible."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from mlspec.quantity import SORTS, Bytes, Duration, Growth, Percent, QuantityError, Rate, Target

READ = [
    (Duration, "50 ms", 0.05, "50 ms"),
    (Duration, "50ms", 0.05, "50 ms"),
    (Duration, " 1.5  h ", 5400, "90 min"),
    (Duration, "60 s", 60, "1 min"),
    (Duration, "24 h", 86400, "1 d"),
    (Duration, "1 w", 604800, "7 d"),
    (Duration, "12 month", 31557600, "1 y"),
    (Duration, "2 y", 63115200, "2 y"),
    (Duration, "0 d", 0, "0 s"),
    (Duration, "0.1 ms", 0.0001, "0.0001 s"),
    (Bytes, "8 GiB", 8 * 2**30, "8 GiB"),
    (Bytes, "5 MB", 5_000_000, "5 MB"),
    (Bytes, "1024 KiB", 2**20, "1 MiB"),
    (Bytes, "1.5 GiB", 1610612736, "1536 MiB"),
    (Bytes, "0 B", 0, "0 B"),
    (Percent, "99.9 %", 0.999, "99.9 %"),
    (Percent, "5%", 0.05, "5 %"),
    (Percent, "100 %", 1, "100 %"),
    (Percent, "0.1 %", 0.001, "0.1 %"),
    (Rate, "200 /s", 200, "200 /s"),
    (Rate, "12000/min", 200, "200 /s"),
    (Rate, "1 / min", 1 / 60, "1 /min"),
    (Rate, "0.5 /s", 0.5, "30 /min"),
]

REFUSED = [
    (Duration, "50", "missing-unit", "write `50 s` if that is meant; units that fit: ms, s, min, h, d, w, month, y"),
    (Duration, "5 parsecs", "unknown-unit", "units that fit: ms, s, min"),
    (Duration, "5 MS", "unknown-unit", "did you mean `5 ms`?"),
    (Duration, "-5 s", "out-of-range", "at least 0"),
    (Duration, "soon", "malformed", "write it like `50 ms`"),
    (Duration, "1e5 s", "unknown-unit", "units that fit"),
    (Duration, "1 s 2", "unknown-unit", "units that fit"),
    (Duration, "9" * 350 + " y", "out-of-range", "smaller"),
    (Duration, "9" * 500 + " y", "malformed", "write it like"),
    (Bytes, "8", "missing-unit", "GiB"),
    (Bytes, "8 gib", "unknown-unit", "did you mean `8 GiB`?"),
    (Bytes, "0.3 B", "malformed", "8 GiB"),
    (Bytes, "99999 TiB", "out-of-range", "at most 8192 TiB"),
    (Percent, "5", "missing-unit", "write `5 %`"),
    (Percent, "0.05", "missing-unit", "write `5 %`"),
    (Percent, "120 %", "out-of-range", "at most 100 %"),
    (Rate, "200 s", "unknown-unit", "/s, /min, /h, /d"),
    (Growth, "5 %", "malformed", "5 %/month"),
    (Growth, "5", "malformed", "d, w, month, y"),
    (Target, "0.84", "malformed", "write `>= 0.84` or `<= 0.84`"),
    (Target, ">= lots", "malformed", "write it like `>= 0.84`"),
    (Target, ">= 5 parsecs", "unknown-unit", "none, %, ms"),
    (Target, "== 5", "malformed", ">= 0.84"),
]

TARGETS = [
    (">= 0.84", {"op": ">=", "value": 0.84, "unit": None}, ">= 0.84"),
    (">=0.84", {"op": ">=", "value": 0.84, "unit": None}, ">= 0.84"),
    ("≤ 50 ms", {"op": "<=", "value": 0.05, "unit": "s"}, "<= 50 ms"),
    (">= 92 %", {"op": ">=", "value": 0.92, "unit": "fraction"}, ">= 92 %"),
    ("> 150 %", {"op": ">", "value": 1.5, "unit": "fraction"}, "> 150 %"),
    ("> -0.5", {"op": ">", "value": -0.5, "unit": None}, "> -0.5"),
    ("< -3 %", {"op": "<", "value": -0.03, "unit": "fraction"}, "< -3 %"),
    ("< 5 MB", {"op": "<", "value": 5e6, "unit": "B"}, "< 5 MB"),
    (">= 200 /s", {"op": ">=", "value": 200.0, "unit": "/s"}, ">= 200 /s"),
]


@pytest.mark.parametrize(("sort", "text", "value", "canonical"), READ, ids=lambda one: str(one))
def test_read(sort: Any, text: str, value: float, canonical: str) -> None:
    quantity = sort.parse(text)
    assert quantity == value
    assert str(quantity) == canonical
    assert sort.parse(canonical) == quantity


@pytest.mark.parametrize(("sort", "text", "code", "part"), REFUSED, ids=lambda one: str(one)[:30])
def test_refused(sort: Any, text: str, code: str, part: str) -> None:
    with pytest.raises(QuantityError) as caught:
        sort.parse(text)
    assert caught.value.code == code
    assert part in caught.value.help


@pytest.mark.parametrize(("text", "plain", "canonical"), TARGETS)
def test_targets(text: str, plain: dict[str, Any], canonical: str) -> None:
    target = Target.parse(text)
    assert (target.plain(), str(target)) == (plain, canonical)
    assert Target.parse(canonical) == target


def test_holds() -> None:
    assert Target.parse(">= 0.84").holds(0.84)
    assert not Target.parse("> 0.84").holds(0.84)
    assert not any(Target(op, 0.5).holds(float("nan")) for op in Target.OPS)


class Everything(BaseModel):
    time: Duration
    size: Bytes
    share: Percent
    rate: Rate
    growth: Growth
    target: Target


WRITTEN = {"time": "50 ms", "size": "8 GiB", "share": "99.9 %", "rate": "1 /min", "growth": "5 %/month", "target": "<= 50 ms"}


def test_json_holds_base_units() -> None:
    assert json.loads(Everything.model_validate(WRITTEN).model_dump_json()) == {
        "time": 0.05, "size": 8589934592, "share": 0.999, "rate": 1 / 60,
        "growth": {"fraction": 0.05, "seconds": 2629800.0}, "target": {"op": "<=", "value": 0.05, "unit": "s"},
    }  # fmt: skip
    assert json.dumps(Duration.parse("50 ms")) == "0.05"


def test_frozen_and_hashable() -> None:
    read = Everything.model_validate(WRITTEN)
    for value in dict(read).values():
        assert {value: 1}[value] == 1
        assert pickle.loads(pickle.dumps(value)) == value
        with pytest.raises((AttributeError, TypeError)):
            value.anything = 1
        with pytest.raises((AttributeError, TypeError)):
            value.value = 1


numbers = st.decimals(min_value=0, max_value=10**9, places=4, allow_nan=False).map(lambda one: format(one, "f"))


@given(st.sampled_from(SORTS), st.data())
def test_writing_and_reading_agree(sort: Any, data: st.DataObject) -> None:
    unit = data.draw(st.sampled_from(sorted(sort.UNITS)))
    try:
        quantity = sort.parse(f"{data.draw(numbers)} {unit}")
    except QuantityError:
        return
    assert sort.parse(str(quantity)) == quantity
    assert str(sort.parse(str(quantity))) == str(quantity)
    assert type(quantity)._validate(str(quantity)) == quantity


@given(st.floats(min_value=0, allow_nan=False, allow_infinity=False))
def test_every_float_can_be_written(value: float) -> None:
    assert Duration.parse(str(Duration(value))) == value
    assert Rate.parse(str(Rate(value))) == value


@given(st.floats(min_value=0, max_value=1))
def test_every_share_can_be_written(value: float) -> None:
    assert Percent.parse(str(Percent(value))) == value


@given(
    st.sampled_from(Target.OPS),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([None, "fraction", "s", "/s", "B"]),
)
def test_every_target_can_be_written(op: str, value: float, unit: str | None) -> None:
    target = Target(op, value, unit)
    assert Target.parse(str(target)) == target


@given(st.text(max_size=40), st.sampled_from([*SORTS, Growth, Target]))
def test_no_text_breaks_the_reader(text: str, sort: Any) -> None:
    try:
        read = sort.parse(text)
    except QuantityError:
        return
    assert sort.parse(str(read)) == read
