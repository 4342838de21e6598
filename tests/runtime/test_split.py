"""Split: identity, shares, stability under appended rows, time, groups, purges and proofs."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec import runtime
from mlspec.diagnostic import Finding, Problem
from mlspec.runtime import identity
from mlspec.runtime.artifact import digest, read_json
from mlspec.runtime.split import guide

TASK = {"kind": "classification", "target": "y"}
MASK = 2**64 - 1
PARTS = ("train", "dev", "test")


def split(folder: Path, frame: pl.DataFrame, **more: Any) -> tuple[dict[str, pl.DataFrame], Any]:
    folder.mkdir(exist_ok=True)
    table = frame.with_row_index("__row__").with_columns(pl.col("__row__").cast(pl.UInt64))
    table.write_parquet(folder / "in")
    params = {
        "strategy": "random", "ratios": "auto", "group_by": None, "time": None, "gap": 0, "seed": 7, "exact": False, "columns": {}, "task": None, **more,
    }  # fmt: skip
    runtime.run(
        "split", inputs={"data": folder / "in"}, outputs={name: folder / name for name in (*PARTS, "manifest")}, params=params
    )
    parts, manifest = {name: pl.read_parquet(folder / name) for name in PARTS}, read_json(folder / "manifest")
    assert sum(part.height for part in parts.values()) + manifest["purged"] + manifest["embargoed"] == frame.height
    assert {name: one["rows"] for name, one in manifest["splits"].items()} == {name: part.height for name, part in parts.items()}
    return parts, manifest


def proof(manifest: Any, name: str) -> str:
    return str(next(one["verdict"] for one in manifest["proofs"] if one["id"] == name))


def people(rows: int, seed: int = 1, positives: float = 0.3) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "id": [f"p{number}" for number in range(rows)],
            "group": [f"g{number}" for number in random.integers(0, max(3, rows // 10), rows)],
            "x": random.normal(size=rows),
            "word": random.choice(["a", "b", "c"], rows).tolist(),
            "y": np.where(random.random(rows) < positives, "yes", "no").tolist(),
        }
    )


ID = {"id": {"role": "id"}, "group": {"role": "ignore"}}


# -- identity: a second implementation, value by value, and answers that must never change


def mix(z: int) -> int:
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def value_hash(value: Any) -> int:
    if value is None or value != value:
        return mix(identity.MISSING)
    if isinstance(value, str):
        if value.lstrip("-").isdecimal() and value.isascii() and str(int(value)) == value and -(2**63) <= int(value) < 2**63:
            value = int(value)
        else:
            content = value.encode()
            found = mix(len(content) ^ identity.TEXT)
            for start in range(0, len(content), 8):
                found = mix(found ^ int.from_bytes(content[start : start + 8], "little"))
            return found
    if isinstance(value, datetime):
        return mix(((value - datetime(1970, 1, 1)) // timedelta(microseconds=1) & MASK) ^ identity.INSTANT)
    if isinstance(value, date):
        return mix(((value - date(1970, 1, 1)).days & MASK) ^ identity.DATE)
    if isinstance(value, float) and not (value.is_integer() and abs(value) < 2**63):
        return mix(int(np.float64(value).view(np.uint64)) ^ identity.FRACTION)
    return mix((int(value) & MASK) ^ identity.NUMBER)


COLUMNS = st.one_of(
    st.lists(st.none() | st.text(max_size=30), min_size=1, max_size=12).map(lambda v: pl.Series(v, dtype=pl.String)),
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=12).map(lambda v: pl.Series(v, dtype=pl.Int64)),
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1).map(str), min_size=1, max_size=12).map(
        lambda v: pl.Series(v, dtype=pl.String)
    ),
    st.lists(st.none() | st.floats(), min_size=1, max_size=12).map(lambda v: pl.Series(v, dtype=pl.Float64)),
    st.lists(st.none() | st.booleans(), min_size=1, max_size=12).map(lambda v: pl.Series(v, dtype=pl.Boolean)),
    st.lists(st.none() | st.dates(), min_size=1, max_size=12).map(lambda v: pl.Series(v, dtype=pl.Date)),
    st.lists(st.none() | st.datetimes(), min_size=1, max_size=12).map(lambda v: pl.Series(v, dtype=pl.Datetime("us"))),
)


@settings(max_examples=300, deadline=None)
@given(COLUMNS)
def test_the_hash_is_the_one_that_is_specified(values: pl.Series) -> None:
    assert identity.column(values).tolist() == [value_hash(value) for value in values]


def test_known_answers() -> None:
    """These may never change: a change would deal every row of every project anew."""
    assert mix(1234567 + 0x9E3779B97F4A7C15 & MASK) == 6457827717110365317, "the published first output of SplitMix64 for 1234567"
    frame = pl.DataFrame({"b": [1, None, 3], "a": ["7590-VHVEG", "", "naïve"]}).lazy()
    keys = identity.keys(frame, ["b", "a"])
    assert keys.tolist() == KEYS
    assert identity.lots(keys, 7).tolist() == LOTS
    assert identity.digest(keys) == identity.digest(keys[::-1]) == DIGEST


KEYS = [17921826492951275691, 221912447322192141, 7503091314982263508]
LOTS = [3667908805814669258, 4369018369695119032, 14075138713636346579]
DIGEST = "fc23a5729f773a0c2d91b3d459762b62af18f202b2f3cd6f791f3a1e0e118451"


def test_numbers_have_one_identity_however_they_are_held() -> None:
    held = [
        pl.Series([1, 0]),
        pl.Series([1.0, -0.0]),
        pl.Series(["1", "0"]),
        pl.Series([True, False]),
        pl.Series([1, 0], dtype=pl.UInt8),
    ]
    assert len({tuple(identity.column(one).tolist()) for one in held}) == 1
    assert identity.column(pl.Series(["01", "+1", "1.0", " 1"])).tolist().count(value_hash(1)) == 0


def test_lots_are_even() -> None:
    keys = identity.keys(pl.DataFrame({"id": range(100_000)}).lazy(), ["id"])
    counts = np.bincount((identity.lots(keys, 3) >> np.uint64(60)).astype(int), minlength=16)
    assert ((counts - 6250) ** 2 / 6250).sum() < 40, "chi-square with 15 degrees of freedom: 40 is passed by chance once in 2,000"


# -- shares


@pytest.mark.parametrize(
    ("rows", "ratios"),
    [(999, (0.6, 0.2, 0.2)), (1000, (0.7, 0.15, 0.15)), (100_000, (0.7, 0.15, 0.15)), (100_001, (0.8, 0.1, 0.1))],
)
def test_the_rule_of_the_guide(rows: int, ratios: tuple[float, float, float]) -> None:
    assert guide(rows)[0] == ratios


@pytest.mark.parametrize("strategy", ["random", "stratified"])
def test_lots_give_the_expected_shares(tmp_path: Path, strategy: str) -> None:
    parts, manifest = split(tmp_path, people(8000), strategy=strategy, columns=ID, task=TASK)
    for name, ratio in zip(PARTS, (0.7, 0.15, 0.15), strict=True):
        assert abs(parts[name].height / 8000 - ratio) < 4 * (ratio * (1 - ratio) / 8000) ** 0.5
    assert manifest["rule"] == "guide: 1K-100K rows -> 70/15/15"
    assert (manifest["key"], manifest["verdict"], proof(manifest, "class-balance")) == (["id"], "pass", "pass")


def test_exact_shares_of_each_class(tmp_path: Path) -> None:
    frame = people(2000)
    parts, manifest = split(tmp_path, frame, strategy="stratified", exact=True, ratios=[0.5, 0.3, 0.2], columns=ID, task=TASK)
    for label, rows in frame["y"].value_counts().rows():
        for name, ratio in zip(PARTS, (0.5, 0.3, 0.2), strict=True):
            assert abs((parts[name]["y"] == label).sum() - rows * ratio) <= 1
    assert manifest["exact"] is True


def test_small_data_is_dealt_exactly_where_that_is_left_open(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": range(12), "y": ["a"] * 9 + ["b"] * 3})
    parts, manifest = split(tmp_path, frame, strategy="stratified", exact=None, task=TASK)
    assert manifest["exact"] is True
    assert all(set(part["y"]) == {"a", "b"} for part in parts.values())


# -- stability


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 400), st.integers(0, 2**32), st.sampled_from(["id", "group", "content"]))
def test_appended_rows_move_no_old_row(tmp_path_factory: pytest.TempPathFactory, extra: int, seed: int, by: str) -> None:
    old, new = people(600, 1), people(600 + extra, 1)
    new = pl.concat([old, new.tail(extra).with_columns(pl.col("x") + 5.0)]).sample(fraction=1, shuffle=True, seed=3)
    how: dict[str, Any] = {"seed": seed, "ratios": [0.6, 0.2, 0.2], "columns": ID}
    if by == "group":
        how |= {"strategy": "group", "group_by": "group"}
    if by == "content":
        old, new, how["columns"] = old.drop("id"), new.drop("id"), {}
    folder = tmp_path_factory.mktemp("split")
    before, _ = split(folder, old, **how)
    after, _ = split(folder, new, **how)
    for name in PARTS:
        names = old.columns
        assert set(before[name].select(names).rows()) <= set(after[name].select(names).rows())


def test_the_order_of_rows_and_columns_does_not_matter(tmp_path: Path) -> None:
    frame = people(500)
    _, one = split(tmp_path / "1", frame, columns={"group": {"role": "ignore"}})
    _, two = split(tmp_path / "2", frame.select(reversed(frame.columns)).reverse(), columns={"group": {"role": "ignore"}})
    assert [one["splits"][name]["sha256"] for name in PARTS] == [two["splits"][name]["sha256"] for name in PARTS]


def test_growing_data_moves_rows_to_train_only(tmp_path: Path) -> None:
    frame = people(3000)
    small, _ = split(tmp_path, frame, ratios=[0.6, 0.2, 0.2], columns=ID)
    large, _ = split(tmp_path, frame, ratios=[0.8, 0.1, 0.1], columns=ID)
    assert set(small["train"]["id"]) <= set(large["train"]["id"])
    for name in ("dev", "test"):
        assert set(large[name]["id"]) <= set(small[name]["id"])


def test_another_seed_deals_other_rows_and_the_same_seed_the_same_bytes(tmp_path: Path) -> None:
    frame = people(500)
    found = []
    for folder, seed in (("1", 7), ("2", 7), ("3", 8)):
        split(tmp_path / folder, frame, seed=seed, columns=ID, task=TASK, strategy="stratified")
        found.append([digest(tmp_path / folder / name) for name in (*PARTS, "manifest")])
    assert found[0] == found[1]
    assert found[0] != found[2]


# -- groups, time, purges


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("strategy", ["group", "random", "stratified"])
def test_groups_never_straddle(tmp_path: Path, strategy: str, exact: bool) -> None:
    parts, manifest = split(
        tmp_path, people(900), strategy=strategy, group_by="group", exact=exact, columns={"id": {"role": "id"}}, task=TASK
    )
    groups = [set(parts[name]["group"]) for name in PARTS]
    assert sum(map(len, groups)) == len(set().union(*groups))
    assert (manifest["key"], proof(manifest, "no-shared-groups"), proof(manifest, "no-shared-ids")) == (["group"], "pass", "pass")


@pytest.mark.parametrize("exact", [False, True])
def test_an_id_with_two_classes_goes_one_way(tmp_path: Path, exact: bool) -> None:
    frame = people(1200).with_columns(pl.Series("id", [f"p{number // 3}" for number in range(1200)]))
    _, manifest = split(tmp_path, frame, strategy="stratified", exact=exact, columns=ID, task=TASK)
    assert (proof(manifest, "no-shared-ids"), manifest["purged"]) == ("pass", 0)


def test_repeated_features_are_purged_from_train_and_dev(tmp_path: Path) -> None:
    frame = people(2000).with_columns(pl.Series("x", [float(number % 900) for number in range(2000)]), word=pl.lit("a"))
    parts, manifest = split(tmp_path, frame, columns=ID, task=TASK)
    features = {name: set(parts[name]["x"]) for name in PARTS}
    assert not features["train"] & (features["dev"] | features["test"])
    assert not features["dev"] & features["test"]
    assert manifest["purged"] > 0
    assert manifest["purged_rows"] == sorted(manifest["purged_rows"])
    gone = set(range(2000)).difference(*(part["__row__"] for part in parts.values()))
    assert set(manifest["purged_rows"]) <= gone
    assert len(manifest["purged_rows"]) == min(20, len(gone))
    assert set(frame["x"].gather(sorted(gone))) <= features["dev"] | features["test"], (
        "only rows that repeat something are purged"
    )
    assert proof(manifest, "no-shared-duplicates") == "pass"


def test_a_proof_fails_on_tables_that_leak(tmp_path: Path) -> None:
    """The proofs read what was written: break the tables, and they must notice."""
    from mlspec.runtime import split as module

    parts, _ = split(tmp_path, people(1500), group_by="group", columns={"id": {"role": "id"}}, task=TASK)
    plan = module.Plan(
        pl.scan_parquet(tmp_path / "in"),
        {"group_by": "group", "columns": {"id": {"role": "id"}}, "task": TASK, "seed": 7, "ratios": "auto"},
    )
    leaked = {**parts, "train": pl.concat([parts["train"], parts["test"].head(5)])}
    written = {name: part.lazy() for name, part in leaked.items()}
    splits = {name: module._described(plan, frame, np.zeros(1, dtype=np.uint64)) for name, frame in written.items()}
    found = {one["id"]: one for one in module._proofs(plan, written, splits, ["no", "yes"])}
    for name in ("no-shared-ids", "no-shared-groups", "no-shared-duplicates"):
        assert found[name]["verdict"] == "fail"
        assert found[name]["found"] >= 5


def days(rows: int, each: int = 1) -> pl.DataFrame:
    first = date(2024, 1, 1)
    return pl.DataFrame(
        {
            "day": [first + timedelta(days=number // each) for number in range(rows)],
            "x": range(rows),
            "v": [number * 0.5 for number in range(rows)],
        }
    )


@pytest.mark.parametrize("gap", [0, 1, 5])
@pytest.mark.parametrize("kind", ["date", "datetime", "number"])
def test_time(tmp_path: Path, gap: int, kind: str) -> None:
    frame = days(1200, each=4).sample(fraction=1, shuffle=True, seed=2)
    if kind == "datetime":
        frame = frame.with_columns(pl.col("day").cast(pl.Datetime("ms")))
    if kind == "number":
        frame = frame.with_columns(pl.col("day").cast(pl.Int32) * 86_400)
    parts, manifest = split(
        tmp_path, frame, strategy="temporal", time="day", gap=gap * 86_400, task={"kind": "regression", "target": "v"}
    )
    unit: Any = 86_400 if kind == "number" else timedelta(days=1)
    for earlier, later in (("train", "dev"), ("dev", "test")):
        assert parts[later]["day"].min() - parts[earlier]["day"].max() == (gap + 1) * unit  # type: ignore[operator]
    assert manifest["embargoed"] == 2 * gap * 4
    assert proof(manifest, "no-time-overlap") == "pass"
    assert abs(manifest["splits"]["test"]["share"] - 0.15) < 0.02


def test_groups_in_time_are_purged_from_the_past(tmp_path: Path) -> None:
    frame = days(600).with_columns(shop=pl.Series([f"s{number // 50}" for number in range(600)]))
    parts, manifest = split(tmp_path, frame, strategy="temporal", time="day", group_by="shop")
    assert not set(parts["train"]["shop"]) & set(parts["dev"]["shop"])
    assert manifest["purged"] > 0
    assert proof(manifest, "no-shared-groups") == "pass"


# -- what cannot be split


@pytest.mark.parametrize(
    ("frame", "how", "code", "route"),
    [
        (people(50), {"strategy": "stratified", "task": {"kind": "regression", "target": "x"}}, "nothing-to-stratify", ("splits", "strategy")),
        (people(50), {"strategy": "group"}, "no-group", ("splits", "group_by")),
        (people(50), {"strategy": "temporal"}, "no-time", ("splits", "time")),
        (people(50), {"strategy": "temporal", "time": "word"}, "not-a-time", ("splits", "time")),
        (people(50), {"group_by": "grp"}, "unknown-column", ("splits", "group_by")),
        (people(50), {"ratios": [0.5, 0.5, 0.0]}, "bad-ratios", ("splits", "ratios")),
        (people(50), {"ratios": [0.5, 0.3, 0.3]}, "bad-ratios", ("splits", "ratios")),
        (people(2), {}, "too-few-rows", ("splits",)),
        (people(50).with_columns(y=pl.lit("no")), {"group_by": "y"}, "empty-split", ("splits",)),
        (pl.DataFrame({"x": range(40), "y": ["a"] * 38 + ["b"] * 2}), {"task": TASK}, "class-too-small", ("task", "target")),
        (pl.DataFrame({"x": range(40), "y": ["a"] * 37 + ["b"] * 3}), {"task": TASK, "seed": 1}, "class-missing", ("splits",)),
        (pl.DataFrame({"x": range(40), "y": ["a"] * 37 + [None] * 3}), {"task": TASK}, "missing-target", ("task", "target")),
        (pl.DataFrame({"x": [1] * 40, "id": range(40), "y": ["a", "b"] * 20}), {"columns": {"id": {"role": "id"}}, "task": TASK}, "empty-split", ("splits",)),
        (days(40).with_columns(day=pl.lit(date(2024, 1, 1))), {"strategy": "temporal", "time": "day"}, "too-few-times", ("splits", "time")),
        (days(40), {"strategy": "temporal", "time": "day", "gap": 86_400 * 365}, "empty-split", ("splits",)),
        (pl.DataFrame({"day": [date(2024, 1, 1), None] * 9, "x": range(18)}), {"strategy": "temporal", "time": "day"}, "missing-time", ("splits", "time")),
        (pl.DataFrame({"y": ["a", "b"] * 20}), {"task": TASK}, "no-key", ("data", "columns")),
    ],
)  # fmt: skip
def test_splits_that_cannot_be_made_are_told(
    tmp_path: Path, frame: pl.DataFrame, how: dict[str, Any], code: str, route: Any
) -> None:
    with pytest.raises(Problem) as problem:
        split(tmp_path, frame, **how)
    found = problem.value.faults[0]
    assert isinstance(found, Finding)
    assert (found.code, found.route) == (code, route)
    assert found.help
