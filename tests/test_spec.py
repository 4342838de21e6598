"""The language: one line a case, the change to a good spec and the finding it must give."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML

from mlspec.diagnostic import Severity, dotted
from mlspec.kinds import Kind
from mlspec.metrics import CATALOGUE, SYNONYMS
from mlspec.secret import Reference, Secret, Template
from mlspec.spec.project import Project, resolved, unrealised, validate
from mlspec.spec.shape import fields, models, place

DATA = Path(__file__).parent / "data" / "spec"
ROOT = Path(__file__).parent.parent
SPECS = sorted([*DATA.glob("*.yaml"), *(ROOT / "specs").glob("*.yaml")])


def read(text: str | Path) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def laid_over(under: Any, over: Any) -> Any:
    """Mappings are merged; `~` as a text takes a key out."""
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    merged = {**under, **{key: laid_over(under.get(key), value) for key, value in over.items()}}
    return {key: value for key, value in merged.items() if value != "~"}


def changed(change: str, base: str = "minimal") -> Any:
    return laid_over(read(DATA / f"{base}.yaml"), read(change))


# change, route, code, part of message and help
FAULTS = [
    # keys
    ("{sploits: {}}", "sploits", "unknown-key", "did you mean `splits`?"),
    ("{spltis: {seed: 1}}", "spltis", "unknown-key", "did you mean `splits`?"),
    ("{foo: 1}", "foo", "unknown-key", "known keys: mlspec, extends"),
    ("{training: {cv: 5}}", "training.cv", "unknown-key", "did you mean `cross_validation`?"),
    ("{splits: {random_state: 5}}", "splits.random_state", "unknown-key", "did you mean `seed`?"),
    ("{model: {params: {c: 5}}}", "model.params.c", "unknown-key", "did you mean `C`?"),
    ("{model: {parms: {C: 5}}}", "model.parms", "unknown-key", "did you mean `params`?"),
    ("{data: {sources: {customers: {path: '~', file: a.csv}}}}", "data.sources.customers.file", "unknown-key", "did you mean `path`?"),
    ("{data: {columns: {a: {dtype: integer}}}}", "data.columns.a.dtype", "unknown-key", "did you mean `type`?"),
    ("{data: {columns: {a: {Type: integer}}}}", "data.columns.a.Type", "unknown-key", "did you mean `type`?"),
    ("{task: {target: '~', label: Churn}}", "task.label", "unknown-key", "did you mean `target`?"),
    ("{task: {target: '~'}}", "task", "missing-key", "`target` is missing"),
    ("{task: {kind: '~', knid: classification}}", "task.knid", "unknown-key", "did you mean `kind`?"),
    ("{task: {kind: '~'}}", "task", "missing-key", "`kind` is missing"),
    ("{project: {name: '~'}}", "project", "missing-key", "`name` is missing"),
    ("{mlspec: '~'}", "", "missing-key", "`mlspec` is missing"),
    ("{model: '~'}", "", "missing-key", "`model` is missing"),
    ("{data: '~', dta: {sources: {a: {kind: csv, path: a.csv}}}}", "dta", "unknown-key", "did you mean `data`?"),
    ("{model: {kind: '~'}}", "model", "missing-key", "`kind` is missing one of custom, keras."),
    ("{requirements: {metrics: [{metric: f1}]}}", "requirements.metrics[0]", "missing-key", "`target` is missing"),
    ("{requirements: {metrics: [{metric: f1, threshold: '>= 0.5'}]}}", "requirements.metrics[0].threshold", "unknown-key", "did you mean `target`"),
    ("{evaluation: {slices: [{colum: Contract}]}}", "evaluation.slices[0].colum", "unknown-key", "did you mean `column`?"),
    ("{1: x}", "", "unknown-key", "unknown key `1`"),
    # kinds
    ("{model: {kind: sklearn.logistic}}", "model.kind", "unknown-kind", "did you mean `sklearn.logistic_regression`?"),
    ("{model: {kind: nothing_like_it}}", "model.kind", "unknown-kind", "known: custom, keras."),
    ("{model: {kind: __init__}}", "model.kind", "unknown-kind", "there is no kind `__init__`"),
    ("{model: {kind: ../os}}", "model.kind", "unknown-kind", "there is no kind `../os`"),
    ("{data: {sources: {customers: {kind: cvs}}}}", "data.sources.customers.kind", "unknown-kind", "did you mean `csv`?"),
    ("{data: {checks: [{kind: missng}]}}", "data.checks[0].kind", "unknown-kind", "did you mean `missing`?"),
    ("{features: [{kind: impute}, {kind: scael}]}", "features[1].kind", "unknown-kind", "did you mean `scale`?"),
    ("{monitoring: {alerts: [{kind: slak}]}}", "monitoring.alerts[0].kind", "unknown-kind", "did you mean `slack`?"),
    ("{deployment: {pattern: {kind: bluegreen}}}", "deployment.pattern.kind", "unknown-kind", "did you mean `blue_green`?"),
    ("{features: [scale]}", "features[0]", "wrong-type", "expected a mapping"),
    ("{model: sklearn.ridge}", "model", "wrong-type", "expected a mapping, found the text"),
    # types
    ("{splits: [1]}", "splits", "wrong-type", "expected a mapping, found a list"),
    ("{splits: null}", "splits", "wrong-type", "expected a mapping, found nothing"),
    ("{splits: {seed: '7'}}", "splits.seed", "wrong-type", 'expected a whole number, found the text "7"'),
    ("{splits: {seed: 7.5}}", "splits.seed", "wrong-type", "expected a whole number, found `7.5`"),
    ("{splits: {seed: true}}", "splits.seed", "wrong-type", "expected a whole number, found `true`"),
    ("{splits: {seed: -1}}", "splits.seed", "out-of-range", "at least 0"),
    ("{splits: {exact: 1}}", "splits.exact", "wrong-type", "expected true or false"),
    ("{project: {version: 1.4}}", "project.version", "wrong-type", 'expected text, found `1.4` quote it: "1.4"'),
    ("{project: {name: Churn!}}", "project.name", "malformed", "write it like `churn-eu`"),
    ("{evaluation: {threshold: .nan}}", "evaluation.threshold", "wrong-type", "finite"),
    ("{evaluation: {threshold: 1.5}}", "evaluation.threshold", "out-of-range", "below 1"),
    ("{evaluation: {overfitting: {max_gap: .inf}}}", "evaluation.overfitting.max_gap", "wrong-type", "finite"),
    ("{training: {cross_validation: 1}}", "training.cross_validation", "out-of-range", "at least 2"),
    ("{data: {sources: {}}}", "", "", ""),  # merged: stays good
    ("{data: {columns: [a]}}", "data.columns", "wrong-type", "expected a mapping, found a list"),
    ("{data: {columns: {a: {values: []}}}}", "data.columns.a.values", "out-of-range", "must not be empty"),
    ("{data: {sources: {Bad Name: {kind: csv, path: a.csv}}}}", "data.sources.Bad Name", "malformed", "not an identifier"),
    ("{model: {params: {C: lots}}}", "model.params.C", "wrong-type", 'expected a number, found the text "lots"'),
    ("{model: {kind: sklearn.random_forest, params: {max_features: [1]}}}", "model.params.max_features", "wrong-type",
     "expected a number or one of auto, sqrt, log2, found a list"),
    ("{model: {kind: sklearn.random_forest, params: {min_samples_split: half}}}", "model.params.min_samples_split", "wrong-type", "expected a number, found"),
    ("{model: {kind: sklearn.random_forest, params: {class_weight: balancd}}}", "model.params.class_weight", "unknown-value",
     "`balancd` is not one of balanced, balanced_subsample did you mean `balanced`?"),
    ("{project: {timeline: {scoping: {start: tomorrow}}}}", "project.timeline.scoping.start", "wrong-type", "a date such as 2026-11-30"),
    # words
    ("{project: {phase: prodction}}", "project.phase", "unknown-value", "did you mean `production`?"),
    ("{task: {kind: clasification}}", "task.kind", "unknown-value", "did you mean `classification`?"),
    ("{splits: {strategy: sorted}}", "splits.strategy", "unknown-value", "is not one of auto, random, stratified, group, temporal"),
    ("{training: {mixed_precision: true}}", "training.mixed_precision", "unknown-value", "quote the word"),
    ("{mlspec: 2}", "mlspec", "unsupported-version", "this program reads `mlspec: 1`"),
    ("{data: {columns: {a: {role: key}}}}", "data.columns.a.role", "unknown-value", "feature, id, target"),
    # quantities
    ("{pipeline: {timeout: 50}}", "pipeline.timeout", "missing-unit", "write `50 s` if that is meant; units that fit: ms"),
    ("{pipeline: {timeout: 0 s}}", "pipeline.timeout", "out-of-range", "longer than nothing"),
    ("{pipeline: {timeout: [1]}}", "pipeline.timeout", "wrong-type", "expected a length of time with its unit, such as 50 ms"),
    ("{hardware: {training: {memory: 8 gb}}}", "hardware.training.memory", "unknown-unit", "did you mean `8 GB`?"),
    ("{data: {checks: [{kind: missing, max: 0.05}]}}", "data.checks[0].max", "missing-unit", "write `5 %`"),
    ("{requirements: {service: {latency_p95: 50}}}", "requirements.service.latency_p95", "missing-unit", "units that fit: ms, s"),
    ("{requirements: {service: {throughput: 200}}}", "requirements.service.throughput", "missing-unit", "/s, /min"),
    ("{requirements: {metrics: [{metric: f1, target: 0.8}]}}", "requirements.metrics[0].target", "malformed", "write `>= 0.8`"),
    ("{requirements: {metrics: [{metric: f1, target: '>= 5 ms'}]}}", "requirements.metrics[0].target", "unknown-unit", "a plain number or a share"),
    ("{requirements: {metrics: [{metric: f1, target: '>= 84'}]}}", "requirements.metrics[0].target", "out-of-range", 'write ">= 84 %"'),
    # secrets
    ("{monitoring: {alerts: [{kind: slack, url: 'https://hooks/s3cr3t'}]}}", "monitoring.alerts[0].url", "inline-secret", "write ${env:NAME}"),
    ("{monitoring: {alerts: [{kind: slack, url: '${env:s3cr3t-x}'}]}}", "monitoring.alerts[0].url", "bad-reference", "${secret:name/key}"),
    ("{monitoring: {alerts: [{kind: slack, url: {s3cr3t: 1}}]}}", "monitoring.alerts[0].url", "inline-secret", "must not stand in the spec"),
    ("{tracking: {kind: mlflow, uri: 'https://s3cr3t@${HOST}/'}}", "tracking.uri", "bad-reference", "is not a reference"),
    # metrics
    ("{requirements: {metrics: [{metric: auc, target: '>= 0.8'}]}}", "requirements.metrics[0].metric", "unknown-metric", "did you mean `roc_auc`?"),
    ("{requirements: {metrics: [{metric: F1-Score, target: '>= 0.8'}]}}", "requirements.metrics[0].metric", "unknown-metric", "did you mean `f1`?"),
    ("{requirements: {metrics: [{metric: recal, target: '>= 0.8'}]}}", "requirements.metrics[0].metric", "unknown-metric", "did you mean `recall`?"),
    ("{requirements: {metrics: [{metric: rmse, target: '<= 3'}]}}", "requirements.metrics[0].metric", "metric-of-another-task", "for regression"),
    ("{requirements: {metrics: [{metric: bleu, target: '>= 0.3'}]}}", "requirements.metrics[0].metric", "not-realised-yet", "nothing computes `bleu`"),
    ("{evaluation: {metrics: {f1: {entrypoint: 'a.b:c'}}}}", "evaluation.metrics.f1", "contradiction", "another name"),
    ("{evaluation: {metrics: {profit: {entrypoint: a.b}}}}", "evaluation.metrics.profit.entrypoint", "malformed", "`package.module:function`"),
    ("{requirements: {metrics: [{metric: f1, target: '>= 0.8', primary: true}, {metric: recall, target: '>= 0.1', primary: true}]}}",
     "requirements.metrics[1].primary", "contradiction", "another primary metric"),
    ("{requirements: {metrics: [{metric: f1, target: '>= 0.8', supports: retention}]}}", "requirements.metrics[0].supports", "unknown-business-target", ""),
    # data
    ("{data: {sources: {orders: {kind: csv, path: b.csv}}}}", "data.sources", "sources-not-combined", "`join`"),
    ("{data: {sources: {orders: {kind: csv, path: b.csv}}, join: [{left: customers, right: orders, on: id}], union: {}}}",
     "data.union", "contradiction", "cannot both be"),
    ("{data: {sources: {orders: {kind: csv, path: b.csv}}, join: [{left: customers, right: order, on: id}]}}",
     "data.join[0].right", "unknown-source", "did you mean `orders`?"),
    ("{data: {columns: {a: {min: 5, max: 3}}}}", "data.columns.a", "contradiction", "`min` (5) is above `max` (3)"),
    ("{data: {columns: {a: {type: string, min: 3}}}}", "data.columns.a", "contradiction", "has no `min`"),
    ("{data: {columns: {a: {type: integer, min: three}}}}", "data.columns.a", "wrong-type", "are numbers"),
    ("{data: {columns: {a: {type: integer, pattern: x}}}}", "data.columns.a", "contradiction", "no `pattern`"),
    ("{data: {columns: {a: {role: target}}}}", "data.columns.a.role", "contradiction", "`task.target` is `Churn`"),
    ("{data: {columns: {Churn: {role: id}}}}", "data.columns.Churn.role", "contradiction", "the target has the role `id`"),
    ("{data: {columns: {a: {role: time}, b: {role: time}}}}", "data.columns.b.role", "contradiction", "`a` has the role `time`, too"),
    ("{task: {positive: yes}, data: {columns: {Churn: {values: ['No', 'Yes']}}}}", "task.positive", "unknown-label", "did you mean `Yes`?"),
    ("{data: {columns: {churn: {}}}}", "task.target", "suspicious-column", "did you mean `churn`?"),
    ("{data: {columns: {Contract: {}}}, evaluation: {slices: [contract]}}", "evaluation.slices[0]", "suspicious-column", "did you mean `Contract`?"),
    # task, model, splits, evaluation
    ("{task: {kind: regression, target: charges, positive: 'Yes'}, model: {kind: sklearn.ridge}}", "task.positive", "contradiction", "no positive label"),
    ("{task: {kind: regression}}", "model.kind", "family-not-for-task", "is not for regression"),
    ("{splits: {ratios: [0.7, 0.2, 0.2]}}", "splits.ratios", "bad-ratios", "sum to 1.1, not to 1"),
    ("{splits: {ratios: [0.7, 0.3]}}", "splits.ratios", "wrong-type", "write `auto`, or three numbers"),
    ("{splits: {ratios: [0.7, 0.3, 0]}}", "splits.ratios", "out-of-range", "above 0"),
    ("{splits: {strategy: group}}", "splits", "missing-key", "`group_by` is missing"),
    ("{splits: {strategy: temporal}}", "splits", "missing-key", "`time` is missing"),
    ("{splits: {strategy: random, group_by: household}}", "splits.group_by", "contradiction", "write `strategy: group`"),
    ("{splits: {strategy: random, time: day}}", "splits.time", "contradiction", "write `strategy: temporal`"),
    ("{splits: {gap: 1 d}}", "splits.gap", "contradiction", "only a temporal split has a gap"),
    ("{evaluation: {slices: [{name: x}]}}", "evaluation.slices[0]", "contradiction", "either `column` or `where`"),
    ("{evaluation: {slices: [{column: a, bins: [3, 1]}]}}", "evaluation.slices[0]", "contradiction", "must rise"),
    ("{evaluation: {explain: none}, requirements: {interpretability: required}}", "evaluation.explain", "contradiction", "write `permutation`"),
    ("{task: {kind: regression}, model: {kind: sklearn.ridge}, evaluation: {threshold: 0.3}}", "evaluation.threshold", "contradiction", "leave it out"),
    ("{for_each: {column: plan}}", "for_each", "contradiction", "`values` or in `table`"),
    ("{for_each: {column: plan, values: [a], table: b.csv}}", "for_each", "contradiction", "`values` or in `table`"),
    ("{for_each: {column: plan, values: []}}", "for_each.values", "out-of-range", "must not be empty"),
    ("{for_each: {values: [a]}}", "for_each", "missing-key", "`column` is missing"),
    ("{for_each: {column: plan, values: [a, b, a]}}", "for_each.values[2]", "contradiction", "listed twice"),
    ("{for_each: {column: plan, values: [7, 7.0]}}", "for_each.values[1]", "contradiction", "listed twice"),
    ("{for_each: {column: plan, values: [M 1, m-1]}}", "for_each.values[1]", "item-collision", "`m_1`"),
    ("{for_each: {column: Churn, values: [a]}}", "for_each.column", "contradiction", "one target only"),
    ("{pipeline: {fan_out: [folds]}, training: {cross_validation: null}}", "pipeline.fan_out[0]", "contradiction", "there are no folds"),
    ("{pipeline: {fan_out: [slices]}}", "pipeline.fan_out[0]", "unknown-value", "folds"),
    ("{training: {tuning: {space: {a: {low: 1}}}}}", "training.tuning.space.a", "contradiction", "either `low` and `high` or `values`"),
    ("{deployment: {pattern: {kind: canary, steps: [50 %, 5 %]}}}", "deployment.pattern", "bad-steps", "must rise"),
    # pipeline and steps
    ("{pipeline: {schedule: '0 3 * * 1 *'}}", "pipeline.schedule", "bad-schedule", "has five fields; this has 6"),
    ("{pipeline: {schedule: '61 3 * * 1'}}", "pipeline.schedule", "bad-schedule", "`61` is not a minute"),
    ("{pipeline: {schedule: '0 3 * * mo'}}", "pipeline.schedule", "bad-schedule", "not a day of week"),
    ("{pipeline: {schedule: sometimes}}", "pipeline.schedule", "bad-schedule", "hourly, daily"),
    ("{pipeline: {timezone: Europe/Atlantis}}", "pipeline.timezone", "unknown-timezone", "`Europe/Paris`"),
    ("{pipeline: {timezone: ../etc/passwd}}", "pipeline.timezone", "unknown-timezone", "IANA"),
    ("{pipeline: {retries: 99}}", "pipeline.retries", "out-of-range", "at most 10"),
    ("{steps: {a: {}}}", "steps.a", "missing-key", "`entrypoint` is missing"),
    ("{steps: {a: {entrypoint: 'm:f', inputs: {rows: split}}}}", "steps.a.inputs.rows", "malformed", "`split.train`"),
    ("{steps: {A-b: {entrypoint: 'm:f'}}}", "steps.A-b", "malformed", "identifier"),
    ("{steps: {a: {entrypoint: 'm:f', outputs: {x: tabel}}}}", "steps.a.outputs.x", "unknown-value", "did you mean `table`?"),
    ("{steps: {a: {entrypoint: 'm:f', params: {x: .nan}}}}", "steps.a.params", "wrong-type", "plain data"),
    ("{steps: {a: {entrypoint: 'm:f', after: a}}}", "steps.a.after", "contradiction", "wait for itself"),
    ("{steps: {a: {entrypoint: 'm:f', outputs: {x: file}}, b: {entrypoint: 'm:f', inputs: {y: a.z}}}}", "steps.b.inputs.y", "unknown-output", "it gives x"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "route", "code", "part"), FAULTS, ids=[case[0] for case in FAULTS])
def test_faults(change: str, route: str, code: str, part: str) -> None:
    project, found = validate(changed(change))
    told = [(dotted(one.route), one.code) for one in found]
    assert told == ([(route, code)] if code else [])
    for one in found:
        assert part in f"{one.message} {one.help}"
        assert "s3cr3t" not in f"{one.message} {one.help}"
        assert (project is None) == (one.severity is Severity.ERROR)


def test_all_at_once() -> None:
    """A fault hides no other, not even a contradiction between two good sections."""
    _, found = validate(
        changed(
            "{splits: {sed: 7, ratios: [1, 2]}, model: {kind: sklearn.ridg}, pipeline: {timeout: 5}, monitoring: {data_drift: {window: 1}},"
            " data: {columns: {a: {type: int, role: x}}}, evaluation: {threshold: 0.2, explain: none},"
            " requirements: {interpretability: required}, task: {kind: regression}}"
        )
    )
    assert sorted((dotted(one.route), one.code) for one in found) == [
        ("data.columns.a.role", "unknown-value"),
        ("data.columns.a.type", "unknown-value"),
        ("evaluation.explain", "contradiction"),
        ("evaluation.threshold", "contradiction"),
        ("model.kind", "unknown-kind"),
        ("monitoring.data_drift.window", "missing-unit"),
        ("pipeline.timeout", "missing-unit"),
        ("splits.ratios", "wrong-type"),
        ("splits.sed", "unknown-key"),
    ]


@pytest.mark.parametrize("data", [None, [], "text", 7, {}, {"mlspec": None}, {"project": []}], ids=str)
def test_what_is_no_spec(data: Any) -> None:
    project, found = validate(data)
    assert project is None
    assert found


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_good_specs(path: Path) -> None:
    """Good specs are read, written out with every default, and read back to the same project."""
    project, found = validate(read(path))
    assert [one for one in found if one.severity is Severity.ERROR] == []
    assert project is not None
    again, _ = validate(resolved(project))
    assert again == project
    assert resolved(again) == resolved(project)


def shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key], chance) for key in chance.sample(sorted(value, key=str), len(value))}
    return [shuffled(one, chance) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_order_of_keys_means_nothing(path: Path) -> None:
    data = read(path)
    first, _ = validate(data)
    second, _ = validate(shuffled(data, random.Random(1)))
    assert first is not None
    assert second is not None
    assert repr(resolved(first)) == repr(resolved(second))
    assert repr(first.model_dump(mode="json")) == repr(second.model_dump(mode="json"))


def parts(value: Any) -> Iterator[Any]:
    yield value
    inner = dict(value).values() if isinstance(value, BaseModel) else value.values() if isinstance(value, Mapping) else value
    if isinstance(value, BaseModel | Mapping | list | tuple):
        for one in inner:
            yield from parts(one)


def test_frozen_is_frozen() -> None:
    project, _ = validate(read(DATA / "whole.yaml"))
    assert project is not None
    ours = [
        one
        for one in parts(project)
        if type(one).__module__.startswith(("mlspec.spec", "mlspec.exports", "mlspec.rollouts", "mlspec.alerts"))
    ]
    assert len(ours) > 60
    for one in ours:
        name = next(iter(type(one).model_fields), None)
        if name is not None:
            with pytest.raises(ValidationError, match="frozen"):
                setattr(one, name, None)
        for field in type(one).model_fields:
            assert not isinstance(getattr(one, field), list | dict), (type(one), field)
    with pytest.raises(TypeError):
        project.steps["new"] = None  # type: ignore[index]


def all_models() -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = []
    waiting: list[type[BaseModel]] = [Project]
    while waiting:
        model = waiting.pop()
        if model in found:
            continue
        found.append(model)
        for field in fields(model).values():
            where = [place(field)]
            while where:
                one = where.pop()
                waiting += models(one)
                from mlspec.spec.shape import element

                where += [inner] if (inner := element(one)) is not None else []
    return found


def test_every_field_is_described_and_every_default_is_valid() -> None:
    """Defaults are not validated when a spec is read (that costs time), so they are here."""
    ours = [
        model
        for model in all_models()
        if not model.__module__.startswith(("mlspec.families", "mlspec.transforms", "mlspec.checks"))
    ]
    assert len(ours) > 80
    for model in ours:
        assert (model.__doc__ or "").strip().endswith("."), model
        required = {name: field for name, field in model.model_fields.items() if field.is_required()}
        for name, field in model.model_fields.items():
            assert name == "kind" or (field.description or "").endswith((".", "?")), (model, name)
        if not required and model.__name__ not in ("Slice", "Range"):  # one of two keys must be given
            made = model.model_construct()
            written = resolved_section(made)
            assert model.model_validate(written) == made, model


def resolved_section(section: BaseModel) -> Any:
    from mlspec.spec.project import _plain

    return _plain(section)


UNREALISED = [
    ("{}", []),
    ("{project: {problem: too many leave, owner: me, phase: pilot, version: 1.2.3}}", []),
    ("{project: {stakeholders: [{role: sponsor, approves: [model]}]}}", []),
    ("{project: {stakeholders: [{role: sponsor, reports: weekly}]}}", ["project.stakeholders[0].reports"]),
    ("{project: {stakeholders: []}}", []),
    ("{project: {profile: startup}}", ["project.profile"]),
    ("{task: {modality: tabular}}", []),
    ("{task: {modality: image}}", []),
    ("{task: {modality: text}}", []),
    ("{evaluation: {explain: shap}}", ["evaluation.explain"]),
    ("{evaluation: {champion: {}}}", ["evaluation.champion"]),
    ("{data: {engine: spark, version: {engine: dvc}}}", ["data.version.engine", "data.engine"]),
    ("{data: {sources: {customers: {kind: json_lines}}}}", ["data.sources.customers.kind"]),
    (
        "{data: {sources: {customers: {refresh: daily, growth: 5 %/month}}}}",
        ["data.sources.customers.refresh", "data.sources.customers.growth"],
    ),
    ("{training: {cross_validation: 3, seed: 1, mixed_precision: auto}}", []),
    (
        "{training: {mixed_precision: 'off', tuning: {space: {C: {values: [1, 2]}}}}}",
        ["training.mixed_precision"],
    ),
    (
        "{hardware: {training: {cpu: 2, memory: 4 GiB, spot: true}, serving: {cpu: 1}}}",
        ["hardware.serving"],
    ),
    ("{exports: [{kind: onnx}, {kind: custom, entrypoint: 'own:write'}]}", ["exports[1].kind"]),
    (
        "{deployment: {target: local}, monitoring: {}, retraining: {on: data_drift}, feedback: {}}",
        ["deployment", "monitoring", "feedback"],
    ),
    ("{training: {tuning: {method: population, space: {C: {values: [1, 2]}}}}}", ["training.tuning.method"]),
    ("{for_each: {column: plan, values: [a, b]}, pipeline: {fan_out: [folds]}}", []),
    ("{registry: {kind: local, name: churn}}", []),
    ("{registry: {kind: mlflow}, tracking: {kind: mlflow}}", ["tracking.kind", "registry.kind"]),
    ("{pipeline: {schedule: daily, timezone: UTC, retries: 1, timeout: 1 h}}", []),
    ("{pipeline: {cache: {max_age: 7 d}, granularity: stage}}", []),
    ("{steps: {a: {kind: container, image: x, command: [y]}, b: {entrypoint: 'm:f'}}}", []),
    ("{requirements: {service: {latency_p95: 5 ms}, compliance: [gdpr]}}", ["requirements.service", "requirements.compliance"]),
]


@pytest.mark.parametrize(("change", "routes"), UNREALISED, ids=[case[0] for case in UNREALISED])
def test_unrealised(change: str, routes: list[str]) -> None:
    project, found = validate(changed(change))
    assert found == []
    assert project is not None
    warned = unrealised(project)
    assert sorted(dotted(one.route) for one in warned) == sorted(routes)
    for one in warned:
        assert (one.code, one.severity) == ("not-realised-yet", Severity.WARNING)
        assert one.help.startswith("today: ")


SETTLED = [
    ("{}", "stratified", None, None),
    ("{task: {kind: regression}, model: {kind: sklearn.ridge}}", "random", None, None),
    ("{splits: {group_by: household}}", "group", "household", None),
    ("{data: {columns: {household: {role: group}}}}", "group", "household", None),
    ("{data: {columns: {day: {role: time}}}}", "temporal", None, "day"),
    ("{splits: {time: day, gap: 7 d}}", "temporal", None, "day"),
    ("{splits: {strategy: random}, data: {columns: {day: {role: time}}}}", "random", None, None),
    ("{splits: {strategy: temporal}, data: {columns: {day: {role: time}}}}", "temporal", None, "day"),
]


@pytest.mark.parametrize(("change", "strategy", "group_by", "time"), SETTLED, ids=[case[0] for case in SETTLED])
def test_auto_is_settled(change: str, strategy: str, group_by: str | None, time: str | None) -> None:
    project, found = validate(changed(change))
    assert found == []
    assert project is not None
    assert (project.splits.strategy, project.splits.group_by, project.splits.time) == (strategy, group_by, time)
    assert validate(resolved(project))[0] == project


def test_own_keys_are_allowed_anywhere() -> None:
    """An `x-` key in every mapping of the whole language changes nothing; where keys are names of the user's, it is one of those."""
    data = read(DATA / "minimal.yaml")
    project, _ = validate(data)
    extended = copy.deepcopy(data)
    for section in (
        extended,
        extended["project"],
        extended["task"],
        extended["data"],
        extended["model"],
        extended["data"]["sources"]["customers"],
    ):
        section["x-note"] = {"anything": [1, None]}
    assert validate(extended) == (project, [])


def test_steps_alone() -> None:
    project, found = validate(read(DATA / "own-steps.yaml"))
    assert found == []
    assert project is not None
    assert project.model is None
    assert project.model_dump(mode="json")["steps"]["collect"]["params"] == {
        "days": 7,
        "limits": {"rows": 1000},
        "regions": ["eu", "us"],
    }
    half = read(DATA / "own-steps.yaml") | {"task": {"kind": "regression", "target": "x"}}
    assert {one.message for one in validate(half)[1]} == {"`data` is missing", "`model` is missing"}


def test_json_of_steps_is_plain() -> None:
    """What lowering takes: quantities in base units, nothing but JSON."""
    project, _ = validate(read(DATA / "whole.yaml"))
    assert project is not None
    dump = project.model_dump(mode="json")
    assert dump["splits"]["gap"] == 0.0
    assert dump["data"]["checks"][0]["max"] == 0.05
    assert dump["evaluation"]["slices"][0] == {"column": "Contract"}
    assert dump["requirements"]["metrics"][1]["target"] == {"op": ">=", "value": 0.6, "unit": "fraction"}
    assert dump["pipeline"]["timeout"] == 7200.0
    assert project.hardware.training is not None
    assert project.hardware.training.memory is not None
    assert project.hardware.training.memory.bytes == 8 * 2**30


def test_references() -> None:
    assert Secret("${secret:orders/dsn}").reference == Reference("secret", "orders", "dsn")
    assert Template("https://${env:HOST}/${secret:a/b}").references == (Reference("env", "HOST"), Reference("secret", "a", "b"))
    assert [str(one) for one in Template("${env:A} ${secret:b/c}").references] == ["${env:A}", "${secret:b/c}"]


def test_metrics_are_told_apart() -> None:
    assert not SYNONYMS.keys() & CATALOGUE.keys()
    synonyms = [word for metric in CATALOGUE.values() for word in metric.synonyms]
    assert len(synonyms) == len(set(synonyms))
    assert all(metric.low < metric.high and metric.tasks for metric in CATALOGUE.values())


@pytest.mark.parametrize("union", ["sources", "exports", "rollouts", "alerts", "trackers", "registries"])
def test_members_are_called_as_their_files(union: str) -> None:
    from mlspec.kinds import load, names

    for name in names(f"mlspec.{union}"):
        member = load(f"mlspec.{union}", name)
        assert issubclass(member, Kind)
        assert member.model_fields["kind"].default == name


def test_nothing_of_the_whole_language_is_dropped() -> None:
    """Each leaf of the whole spec stands at its route in the resolved spec, written canonically."""
    data = read(DATA / "whole.yaml")
    whole, _ = validate(data)
    assert whole is not None
    written = resolved(whole)
    same = 0
    for route in leaves(data):
        there, here = written, data
        for part in route:
            there, here = there[part], here[part]
        if route == ("evaluation", "slices", 0):
            here = {"column": here, "bins": None, "name": None, "where": None}
        alike = there == here or str(there).replace(" ", "") == str(here).replace(" ", "")
        same += alike
        if not alike:  # a quantity in another unit, such as `60 s` for `1 min`, or a date
            assert isinstance(here, str) or hasattr(here, "isoformat"), route
            assert there is not None, route
    assert same > 200


def leaves(value: Any, route: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*route, key))
    else:
        yield route


def test_what_is_called_realised_is_computed() -> None:
    """The catalogue of names and the functions that compute them agree."""
    metric = pytest.importorskip("mlspec.runtime.metric")
    assert set(metric.CATALOGUE) == {one.name for one in CATALOGUE.values() if one.realised}
