"""Compare ingest, validate and split with a hand-written Polars streaming script on the same rows: CPU seconds and peak memory.

    python benchmarks/data_10m.py [--rows 10000000] [--rounds 1] [--keep FOLDER]

Generates a seeded CSV of 20 columns (1.5 GB for ten million rows) in a temporary folder, then runs each of the contestants in a
process of its own, one after the other within each round, and prints JSON: for each the CPU seconds (user + system) and the peak
resident memory of its process as the kernel counted them (medians of the rounds), and the ratios: the median over rounds, and
that of each one's best round, which a busy machine distorts least.

- ours: the three ops as every runner calls them, with profile, source digest, fitted schema and leak proofs.
- hand: the core only, as somebody who knows Polars would write it for this table: CSV to Parquet, count gaps and values out of
  range, count ids, deal by a hash of the id, drop training rows that repeat, three files.
- hand_same_work: hand, and what else the ops do: the source's digest, a profile of the same contents with the same shortcuts for
  many rows, and the proofs on the files as written (no id, no features shared, class shares, a digest of each split's ids).

What both must agree on is checked: rows, gaps, distinct ids, and how many rows were purged within the noise of another hash.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

AMOUNTS = [f"amount_{index}" for index in range(8)]
COUNTS = {"count_0": 72, "count_1": 1000, "count_2": 1_000_000}
TEXTS = {
    "contract": ["month-to-month", "one year", "two year"],
    "payment": ["electronic check", "mailed check", "bank transfer", "credit card"],
    "region": [f"region {index:02d}" for index in range(40)],
    "internet": ["dsl", "fibre", "none"],
    "segment": ["a", "b", "c", "d", "e"],
}
ID, TARGET, ROW = "customer_id", "churn", "__row__"
BOUNDS = (-1000.0, 1000.0)
SEED = 7
CONTESTANTS = ("ours", "hand", "hand_same_work")


def generate(path: Path, rows: int) -> None:
    """Write the table: 2 % gaps in two columns; in each chunk, one row in a thousand repeats the features of another."""
    import numpy as np
    import polars as pl

    random, chunk = np.random.default_rng(SEED), 250_000
    with path.open("wb") as file:
        for start in range(0, rows, chunk):
            size = min(chunk, rows - start)
            made: dict[str, Any] = {ID: [f"C{number:09d}" for number in range(start, start + size)]}
            made |= {name: random.integers(0, top, size) for name, top in COUNTS.items()}
            made |= {name: np.round(random.normal(50, 20, size), 4) for name in AMOUNTS}
            made |= {
                name: np.array(values, dtype=object)[random.integers(0, len(values), size)].tolist()
                for name, values in TEXTS.items()
            }
            made["active"] = random.random(size) < 0.5
            made["joined"] = np.datetime64("2020-01-01") + random.integers(0, 2000, size).astype("timedelta64[D]")
            made[TARGET] = np.where(random.random(size) < 0.25, "yes", "no").tolist()
            table = pl.DataFrame(made)
            gaps = [pl.when(pl.Series(random.random(size) >= 0.02)).then(pl.col(name)).alias(name) for name in AMOUNTS[:2]]
            taken = np.arange(size)
            taken[random.choice(size, size // 1000, replace=False)] = random.integers(0, size, size // 1000)
            table = table.with_columns(gaps).select(ID, pl.exclude(ID).gather(pl.Series(taken)))
            table.write_csv(file, include_header=start == 0)


def ours(source: Path, out: Path) -> dict[str, Any]:
    """Run the three ops."""
    from mlspec import runtime

    low, high = BOUNDS
    columns: dict[str, Any] = {ID: {"role": "id", "unique": True}}
    columns |= {name: {"type": "number", "min": low, "max": high} for name in AMOUNTS}
    task = {"kind": "classification", "target": TARGET}
    read = {"sources": {"rows": {"kind": "csv", "path": [source.name]}}, "join": [], "union": None, "columns": columns}
    ingested = runtime.run(
        "ingest",
        outputs={"data": out / "data", "profile": out / "profile"},
        params={**read, "data_root": str(source.parent)},
    )
    validated = runtime.run(
        "validate",
        inputs={"data": out / "data"},
        outputs={"data": out / "valid", "quarantine": out / "quarantine", "report": out / "report"},
        params={"columns": columns, "checks": [{"kind": "missing", "max": 0.05}], "on_failure": "stop", "task": task},
    )
    assert validated["verdict"] == "pass", validated
    dealt = runtime.run(
        "split",
        inputs={"data": out / "valid"},
        outputs={name: out / name for name in ("train", "dev", "test", "manifest")},
        params={
            "strategy": "stratified", "ratios": [0.8, 0.1, 0.1], "group_by": None, "time": None, "gap": 0, "seed": SEED,
            "exact": False, "columns": columns, "task": task,
        },
    )  # fmt: skip
    assert dealt["verdict"] == "pass", dealt
    return {"rows": ingested["rows"], "missing": ingested["missing_values"], "purged": dealt["purged"]}


def hand(source: Path, out: Path, whole: bool = False) -> dict[str, Any]:
    """Do the core by hand; `whole` adds the profile, the digest and the proofs."""
    import polars as pl

    low, high = BOUNDS
    out.mkdir(parents=True)
    pl.scan_csv(source, try_parse_dates=True).with_row_index(ROW).sink_parquet(out / "data", compression="lz4")
    table = pl.scan_parquet(out / "data")
    names = [name for name in table.collect_schema().names() if name != ROW]
    outside = [((pl.col(name) < low) | (pl.col(name) > high)).sum().alias(f"{name} outside") for name in AMOUNTS]
    checks = table.select(pl.len(), pl.col(names).null_count(), *outside).collect(engine="streaming").row(0, named=True)
    rows, missing = checks["len"], sum(checks[name] for name in names)
    assert not any(count for name, count in checks.items() if name.endswith("outside"))
    assert table.select(pl.col(ID).hash().n_unique()).collect(engine="streaming").item() == rows
    if whole:
        profile(source, table, rows)
    features = [name for name in names if name not in (ID, TARGET)]
    dealt = table.select(lot=pl.col(ID).hash(SEED), features=pl.struct(features).hash(1)).collect(engine="streaming")
    lot, tenth = pl.col("lot"), int(0.1 * 2**64)
    dealt = dealt.with_columns(part=pl.when(lot < tenth).then(2).when(lot < 2 * tenth).then(1).otherwise(0).cast(pl.UInt8))
    dev, test = (dealt.filter(pl.col("part") == part)["features"].implode() for part in (1, 2))
    seen, part = pl.col("features"), pl.col("part")
    repeats = ((part == 0) & (seen.is_in(dev) | seen.is_in(test))) | ((part == 1) & seen.is_in(test))
    parts = dealt.select(part=pl.when(repeats).then(9).otherwise(part).cast(pl.UInt8))
    del dealt
    marked = pl.concat([table, parts.lazy()], how="horizontal")
    for number, name in enumerate(("train", "dev", "test")):
        marked.filter(pl.col("part") == number).drop("part").sink_parquet(out / name, compression="lz4")
    if whole:
        prove(out, features)
    return {"rows": rows, "missing": missing, "purged": int((parts["part"] == 9).sum())}


def prove(out: Path, features: list[str]) -> None:
    """Show on the files as written that the splits share nothing, by hand."""
    import hashlib
    from itertools import combinations

    import polars as pl

    keys = [pl.col(ID).hash(1).alias("id"), pl.struct(features).hash(1).alias("features"), pl.col(TARGET)]
    written = {name: pl.scan_parquet(out / name).select(keys).collect(engine="streaming") for name in ("train", "dev", "test")}
    for one, other in combinations(written.values(), 2):
        for key in ("id", "features"):
            assert not one[key].is_in(other[key].implode()).any()
    for part in written.values():
        part[TARGET].value_counts()
        hashlib.sha256(part["id"].sort().to_numpy()).hexdigest()


def profile(source: Path, table: Any, rows: int) -> None:
    """Describe the table as `ingest` does, by hand."""
    import hashlib

    import numpy as np
    import polars as pl

    with source.open("rb") as file:
        hashlib.file_digest(file, "sha256").hexdigest()
    numbers = [*COUNTS, *AMOUNTS]
    value = pl.col(numbers)
    ends = [getattr(value, name)().name.suffix(f" {name}") for name in ("min", "max", "mean", "std")]
    distinct = pl.col(*numbers, ID, "joined").approx_n_unique().name.suffix(" distinct")
    found = table.select(
        pl.all().null_count(), *ends, distinct, pl.col("joined").min().alias("from"), pl.col("joined").max().alias("to")
    )
    seen = found.collect(engine="streaming").row(0, named=True)
    step = -(-rows // 1_000_000)
    sample = table.filter(pl.col(ROW) % step == 0).select(numbers).collect(engine="streaming")
    sample.select(pl.all().median())
    for name in numbers:
        np.histogram(sample[name].drop_nulls().to_numpy(), bins=20, range=(seen[f"{name} min"], seen[f"{name} max"]))
    for name in (*TEXTS, "active", TARGET):
        table.group_by(name).len().collect(engine="streaming").sort("len", descending=True).head(10)


def measure(contestant: str, source: Path, out: Path) -> dict[str, Any]:
    """Run a contestant in a process of its own and return what it found and what the kernel counted."""
    command = [sys.executable, __file__, "--run", contestant, str(source), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def run_one(contestant: str, source: Path, out: Path) -> None:
    """Be a contestant: do the work, then print the result and this process's CPU time and peak memory."""
    found = ours(source, out) if contestant == "ours" else hand(source, out, whole=contestant == "hand_same_work")
    used = resource.getrusage(resource.RUSAGE_SELF)
    found |= {"cpu_s": round(used.ru_utime + used.ru_stime, 2), "peak_rss_gb": round(used.ru_maxrss / 2**20, 3)}
    print(json.dumps(found))


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--rows", type=int, default=10_000_000)
    reader.add_argument("--rounds", type=int, default=1)
    reader.add_argument("--keep", type=Path, help="use, and leave, the data in this folder")
    reader.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    asked = reader.parse_args()
    if asked.run:
        run_one(asked.run[0], Path(asked.run[1]), Path(asked.run[2]))
        return
    with tempfile.TemporaryDirectory(prefix="mlspec-bench-") as temporary:
        folder = asked.keep or Path(temporary)
        source = folder / f"rows-{asked.rows}.csv"
        if not source.exists():
            folder.mkdir(parents=True, exist_ok=True)
            generate(source, asked.rows)
        print(json.dumps(compare(source, asked.rounds), indent=1))


def compare(source: Path, rounds: int) -> dict[str, Any]:
    """Run every contestant in each round and return the medians and their ratios."""
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTESTANTS}
    for number in range(rounds):
        for name in CONTESTANTS if number % 2 == 0 else CONTESTANTS[::-1]:  # whoever else uses the machine disturbs all alike
            with tempfile.TemporaryDirectory(dir=source.parent) as out:
                measured[name].append(measure(name, source, Path(out) / "out"))
    first = measured["ours"][0]
    for name in CONTESTANTS:
        one = measured[name][0]
        assert (one["rows"], one["missing"]) == (first["rows"], first["missing"]), (name, one, first)
        assert abs(one["purged"] - first["purged"]) <= 6 * (first["purged"] + 1) ** 0.5, (name, one, first)
    result: dict[str, Any] = {"rows": first["rows"], "csv_bytes": source.stat().st_size, "rounds": rounds}
    for name in CONTESTANTS:
        runs = measured[name]
        result[name] = {key: round(statistics.median(run[key] for run in runs), 3) for key in ("cpu_s", "peak_rss_gb", "purged")}
    for name in CONTESTANTS[1:]:
        pairs = [mine["cpu_s"] / theirs["cpu_s"] for mine, theirs in zip(measured["ours"], measured[name], strict=True)]
        best = [min(run["cpu_s"] for run in measured[one]) for one in ("ours", name)]
        result[f"cpu_ratio_to_{name}"] = {
            "median_of_pairs": round(statistics.median(pairs), 3),
            "of_best": round(best[0] / best[1], 3),
        }
    result["promises"] = [
        promise("ingest, validate and split / a Polars script", result["cpu_ratio_to_hand_same_work"]["median_of_pairs"], 1.3),
        promise("peak memory of ingest, validate and split, GB", result["ours"]["peak_rss_gb"], 1.5),
    ]
    return result


def promise(what: str, found: float, most: float) -> dict[str, Any]:
    """Say whether a promise is kept."""
    return {"what": what, "ratio": found, "most": most, "kept": found <= most}


if __name__ == "__main__":
    main()
