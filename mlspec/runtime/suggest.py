"""Draw the hyperparameters of the next trials of a search."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlspec.diagnostic import Finding, Problem
from mlspec.entrypoint import imported
from mlspec.runtime.artifact import read_json, write_json
from mlspec.runtime.hyperparameters import at, number, place_of, size

Json = Mapping[str, Any]
SHORT = 10_000
"""Ranges of at most so many values are drawn from without drawing the same trial twice."""


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write `trials` (JSON: the parameters of `count` trials, numbered from `first`, and of those before with their scores).

    `space` maps a parameter to a range: `low` and `high` (perhaps `log`, `step`, `whole`) or `values`. The draw depends on
    `method`, `space` and `seed` alone, and for `bayesian` on the trials before: the input `history`, an earlier `trials`, and
    the inputs `score_*`, what became of its trials.
    """
    before = list(_before(inputs))
    first, count, space = int(params["first"]), int(params["count"]), dict(sorted(params["space"].items()))
    drawn = _drawn(params["method"], space, first, count, int(params["seed"]), before, greater=bool(params["greater_is_better"]))
    trials = [{"trial": first + place, "params": one} for place, one in enumerate(drawn)]
    if len(trials) != count:
        raise RuntimeError(f"{count} trials were to be drawn, and {len(trials)} were")
    write_json(outputs["trials"], {"method": params["method"], "seed": params["seed"], "before": before, "trials": trials})
    return {"method": params["method"], "trials": count, "before": len(before)}


def external(params: Mapping[str, Any], file_digest: Any) -> dict[str, Any]:
    """Return what decides a Bayesian draw besides the params, for cache keys: the version of the library that makes it."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return {"optuna": version("optuna")} if params["method"] == "bayesian" else {}
    except PackageNotFoundError:
        return {"optuna": "absent"}


def _before(inputs: Mapping[str, Path]) -> Iterator[dict[str, Any]]:
    if "history" in inputs:
        yield from read_json(inputs["history"])["before"]
    scores = [read_json(place) for name, place in inputs.items() if name.startswith("score_")]
    yield from (
        {name: one[name] for name in ("trial", "params", "score")} for one in sorted(scores, key=lambda one: one["trial"])
    )


def _drawn(
    method: str, space: Mapping[str, Json], first: int, count: int, seed: int, before: Sequence[Json], *, greater: bool
) -> list[dict[str, Any]]:
    if method == "grid":
        return list(itertools.islice(_grid(space, count), count))
    if method == "bayesian":
        return _bayesian(space, count, seed + first, before, greater=greater)
    return _at_random(space, count, seed)


def _grid(space: Mapping[str, Json], most: int) -> Iterator[dict[str, Any]]:
    """Yield the combinations in scikit-learn's order; of a range no more values are made than can be tried."""
    selection = imported("sklearn.model_selection")
    lists = {}
    for name, one in space.items():
        there = size(one)
        if there is None:
            message, route = f"a grid cannot be laid over `{name}`, which has no steps", ("training", "tuning", "space", name)
            raise Problem(Finding("grid-without-steps", message, route, help="write `values`, or a `step`"))
        lists[name] = [at(one, place) for place in range(min(there, most))]
    yield from ({name: one[name] for name in space} for one in selection.ParameterGrid(lists))


class _Law:
    """A range as scikit-learn's sampler takes it: something with `rvs`."""

    def __init__(self, one: Json) -> None:
        import scipy.stats

        self.one, self.steps = one, size(one)
        low, high = float(one["low"]), float(one["high"])
        if one.get("whole"):  # each whole number stands for what rounds to it
            low, high = low - 0.5, high + 0.5
        if self.steps is not None:
            self.law = scipy.stats.randint(0, self.steps)
        else:
            self.law = scipy.stats.loguniform(low, high) if one.get("log") else scipy.stats.uniform(low, high - low)

    def rvs(self, random_state: Any = None) -> Any:
        drawn = self.law.rvs(random_state=random_state)
        if self.steps is not None:
            return at(self.one, int(drawn))
        return number(min(max(float(drawn), float(self.one["low"])), float(self.one["high"])), self.one)


def _at_random(space: Mapping[str, Json], count: int, seed: int) -> list[dict[str, Any]]:
    """Draw trials; none twice where every range can be counted and is short."""
    selection = imported("sklearn.model_selection")
    laws = {
        name: [at(one, place) for place in range(there)] if (there := size(one)) and there <= SHORT else _Law(one)
        for name, one in space.items()
    }
    return [{name: one[name] for name in space} for one in selection.ParameterSampler(laws, count, random_state=seed)]


def _bayesian(space: Mapping[str, Json], count: int, seed: int, before: Sequence[Json], *, greater: bool) -> list[dict[str, Any]]:
    """Ask Optuna's tree-structured Parzen estimator, which knows of the trials before; those of one round keep apart."""
    try:
        optuna = imported("optuna")
    except ModuleNotFoundError as missing:
        message = f"a Bayesian search needs {missing.name}, which is not installed"
        raise Problem(
            Finding("missing-library", message, ("training", "tuning", "method"), help="pip install 'mlspec[local]'")
        ) from None
    import warnings

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    study = optuna.create_study(direction="maximize" if greater else "minimize", sampler=sampler)
    laws = {name: _distribution(optuna.distributions, one) for name, one in space.items()}
    for one in before:
        failed = one["score"] is None
        state = optuna.trial.TrialState.FAIL if failed else optuna.trial.TrialState.COMPLETE
        known = {name: _asked(space[name], value) for name, value in one["params"].items()}
        study.add_trial(optuna.trial.create_trial(params=known, distributions=laws, value=one["score"], state=state))
    return [{name: _told(space[name], value) for name, value in study.ask(laws).params.items()} for _ in range(count)]


def _distribution(laws: Any, one: Json) -> Any:
    """What can be counted is known to Optuna by the place of its value, which may be of any type."""
    there = size(one)
    if there is not None:
        return laws.CategoricalDistribution(list(range(there))) if one.get("values") else laws.IntDistribution(0, there - 1)
    if one.get("whole"):
        return laws.IntDistribution(int(one["low"]), int(one["high"]), log=bool(one.get("log")))
    return laws.FloatDistribution(float(one["low"]), float(one["high"]), log=bool(one.get("log")))


def _asked(one: Json, value: Any) -> Any:
    return value if size(one) is None else place_of(one, value)


def _told(one: Json, value: Any) -> Any:
    return number(value, one) if size(one) is None else at(one, value)
