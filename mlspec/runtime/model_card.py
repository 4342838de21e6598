"""The model card: what a model is for, what it was made from, how good it is, and what not to use it for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]


def card(about: Json, schema: Json, features: Json, metrics: Json, decision: Json, params: Json) -> str:
    """Return the card as Markdown, from what the package holds; no sentence says more than the numbers do."""
    parts = (
        _head(about),
        _data(about, schema, metrics),
        _features(features),
        _tuning(about),
        _scores(metrics),
        _slices(metrics, decision),
        _fairness(metrics),
        _verdicts(decision),
        _limits(about, schema, features, metrics, params),
    )
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(about: Json) -> Iterator[str]:
    told, task = about["about"], about["task"]
    yield f"# {_text(told.get('name', 'model'))}" + (f" {_text(told['version'])}" if told.get("version") else "")
    yield ""
    if told.get("problem"):
        yield f"{_text(told['problem'])}"
        yield ""
    what = f"one of {len(about['classes'])} classes ({_listed(about['classes'])})" if about["classes"] else "a number"
    yield f"This model predicts `{task['target']}`: {what}. It is a `{about['model']['kind']}`."
    if about.get("positive") is not None and about.get("threshold") is not None:
        threshold = f"when its probability is {_number(about['threshold'])} or more"
        yield f"The positive class is {_code(about['positive'])}; a row is called {_code(about['positive'])} {threshold}."
    if told.get("owner"):
        yield ""
        yield f"Owner: {_text(told['owner'])}"
    yield ""


def _data(about: Json, schema: Json, metrics: Json) -> Iterator[str]:
    yield "## What it takes"
    yield ""
    yield "A raw row with these columns. Anything else in a row is ignored."
    yield ""
    yield from _table(("column", "type", "may be missing", "declared limits", "seen in the data"), _columns(schema))
    yield ""
    splits = metrics.get("splits", {})
    sizes = ", ".join(f"{splits[name]['rows']:,} {name}" for name in ("train", "dev", "test") if name in splits)
    yield f"Rows: {sizes}."
    yield ""


def _columns(schema: Json) -> Iterator[Sequence[str]]:
    for name in schema["order"]:
        column = schema["columns"][name]
        unit = f" ({_text(column['unit'])})" if column.get("unit") else ""
        yield (
            f"{_code(name)}{unit}",
            f"array of {' × '.join(map(str, column['shape']))}" if column.get("shape") else column["type"],
            "yes" if column["nullable"] else "no",
            _range(column),
            _range(column.get("observed", {})),
        )


def _range(column: Json) -> str:
    if column.get("values"):
        return _listed(column["values"])
    low, high = column.get("min"), column.get("max")
    if low is None and high is None:
        return ""
    return f"{'…' if low is None else _number(low)} to {'…' if high is None else _number(high)}"


def _features(features: Json) -> Iterator[str]:
    yield "## What is done to a row"
    yield ""
    if not features["steps"]:
        yield "Nothing: the columns go to the model as they are, truth values as 0 and 1."
    for step in features["steps"]:
        how = f" ({step['how']['with']})" if isinstance(step["how"].get("with"), str) else ""
        why = " Added because the model needs it." if step["added"] else ""
        yield f"- {step['kind']}{how}: {_listed(step['takes'])}.{why}"
    yield ""
    yield f"That makes {len(features['features'])} features."
    if features["left_out"]:
        yield ""
        yield (
            "Left out, because they say nothing: "
            + "; ".join(f"{_code(name)} ({why})" for name, why in features["left_out"].items())
            + "."
        )
    yield ""


def _tuning(about: Json) -> Iterator[str]:
    found = about.get("tuning")
    if not found:
        return
    yield "## How its parameters were chosen"
    yield ""
    yield (
        f"Trial {found['trial']} of {len(found['trials'])} ({found['method']} search) was the best by `{found['metric']}` on"
        f" {found['measured_on']}: {_number(found['score'])}. A score by which a trial was chosen is a little too good."
    )
    yield ""
    yield from _table(("parameter", "value"), [(_code(name), _code(value)) for name, value in found["params"].items()])
    yield ""


def _scores(metrics: Json) -> Iterator[str]:
    share = f"{metrics.get('confidence', 0.95):.0%}"
    yield "## How good it is"
    yield ""
    yield f"On the test rows, from which nothing was learned. Intervals are at {share} confidence."
    yield ""
    rows = [(name, _estimate(one), _span(one), one.get("reason") or "") for name, one in metrics["metrics"].items()]
    yield from _table(("metric", "value", "interval", "why there is none"), rows)
    yield ""


def _slices(metrics: Json, decision: Json) -> Iterator[str]:
    found = metrics.get("slices") or []
    if not found:
        return
    asked = [one.get("metric") for one in decision["requirements"]]
    names = sorted({name for one in found for name in one["metrics"]}, key=lambda name: (name not in asked, name))[:4]
    yield "## Parts of the data"
    yield ""
    rows = (
        [_text(one["name"]), f"{one['rows']:,}", *(_with_span(one["metrics"].get(name, {})) for name in names)] for one in found
    )
    yield from _table(("part", "rows", *names), rows)
    yield ""


def _fairness(metrics: Json) -> Iterator[str]:
    found = metrics.get("fairness") or []
    if not found:
        return
    yield "## Fairness"
    yield ""
    for one in found:
        groups = ", ".join(f"{_code(name)} ({group['rows']:,} rows)" for name, group in one["groups"].items())
        yield f"- {one['metric']} over {_code(one['sensitive'])}: {_estimate(one)}. Groups: {groups}."
    yield ""


def _verdicts(decision: Json) -> Iterator[str]:
    yield "## What was required of it"
    yield ""
    rows = (
        (one["name"], one.get("target") or "", _estimate(one), one["verdict"], one.get("reason") or "")
        for one in decision["requirements"]
    )
    yield from _table(("requirement", "target", "measured", "verdict", "note"), rows)
    yield ""


def _limits(about: Json, schema: Json, features: Json, metrics: Json, params: Json) -> Iterator[str]:
    yield "## Limits"
    yield ""
    ranged = [name for name, one in schema["columns"].items() if {"min", "max"} & one.get("observed", {}).keys()]
    if ranged:
        yield f"- It has seen no values outside the ranges above ({_listed(ranged)}); beyond them its answers are guesses."
    if any(one["type"] == "category" and not one.get("values") for one in schema["columns"].values()):
        yield "- A category that it has never seen counts as rare, or as none of those it knows."
    wide = [name for name, one in metrics["metrics"].items() if _wide(one)]
    if wide:
        yield f"- {_listed(wide)}: the interval is wider than 0.1, so that a small difference to another model means nothing."
    small = [one["name"] for one in metrics.get("slices") or [] if one["rows"] < 30]
    if small:
        yield f"- Too few test rows (under 30) to say anything of {_listed(small)}."
    private = [name for name in schema["order"] if params["columns"].get(name, {}).get("pii")]
    if private:
        yield f"- It takes personal data: {_listed(private)}."
    if any(step["kind"] == "custom" for step in features["steps"]) or "entrypoint" in about["model"]:
        yield "- It runs code of its own project (`code/`)."
    yield "- `model.joblib` is a pickle: load it only if you trust where it comes from, with the versions in `requirements.txt`."


def _wide(one: Json) -> bool:
    low, high, value = one.get("low"), one.get("high"), one.get("value")
    return low is not None and high is not None and value is not None and 0 <= value <= 1 and high - low > 0.1


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a table without the columns that are empty throughout."""
    cells = [[*row] for row in rows]
    kept = [index for index in range(len(heads)) if any(row[index] for row in cells)]
    yield "| " + " | ".join(heads[index] for index in kept) + " |"
    yield "|" + " --- |" * len(kept)
    for row in cells:
        yield "| " + " | ".join(row[index].replace("|", "\\|") for index in kept) + " |"


def _estimate(one: Json) -> str:
    return "none" if one.get("value") is None else _number(one["value"])


def _span(one: Json) -> str:
    return "" if one.get("low") is None or one.get("high") is None else f"{_number(one['low'])} to {_number(one['high'])}"


def _with_span(one: Json) -> str:
    span = _span(one)
    return _estimate(one) + (f" ({span})" if span else "")


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _listed(values: Sequence[Any], most: int = 8) -> str:
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(_code(value) for value in values[:most]) + more


def _code(value: Any) -> str:
    return "`" + _text(value).replace("`", "'") + "`"


def _text(value: Any) -> str:
    """Keep the user's words on one line."""
    return " ".join(str(value).split())
