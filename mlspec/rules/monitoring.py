"""Rules about `monitoring`: whether somebody would notice that the model no longer works, and be told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlspec.diagnostic import Change, Fix, Route
from mlspec.quantity import Percent
from mlspec.rules._cadence import period, spoken
from mlspec.rules._case import Case
from mlspec.rules._rule import INFO, WARNING, Hit, rule

if TYPE_CHECKING:
    from mlspec.spec.monitoring import ConceptDrift, DataDrift, Monitoring

NUMERIC = {"integer", "number"}
CATEGORICAL = {"category", "string", "boolean"}


def _watched(case: Case) -> Monitoring | None:
    return case.project.monitoring


def _data_drift(case: Case) -> DataDrift | None:
    return case.project.monitoring.data_drift if case.project.monitoring else None


def _concept_drift(case: Case) -> ConceptDrift | None:
    return case.project.monitoring.concept_drift if case.project.monitoring else None


def _place(case: Case, *route: str) -> tuple[Route, str]:
    """Return where to tell of a key: at its value where it is written, else at the key of the section it stands in."""
    return (route, "value") if case.wrote(*route) else (route[:-1], "key")


@rule("MON001", (None, INFO, WARNING), reads="monitoring deployment model project")
def no_monitoring(case: Case) -> Iterable[Hit]:
    """A model that is in use is not watched.

    ## Why this is bad
    Models fail in silence: a wrong prediction looks like a right one. Without monitoring, users notice first.

    ## Bad
    ```yaml
    monitoring: null
    retraining: {on: [new_data]}
    ```

    ## Good
    ```yaml
    monitoring: {system: {cpu: 80 %}}
    ```

    ## Fix safety
    None: alerts need an address, and limits somebody who answers for them.

    ## Source
    Guide, the pitfall "No Monitoring: models fail silently" and "Deployment: comprehensive monitoring from day one".
    """
    project = case.project
    if project.monitoring is not None or project.model is None:
        return
    if project.deployment is None and case.phase != "production":
        return
    route: Route = ("deployment",) if project.deployment is not None else ("project", "phase")
    yield Hit(
        "`monitoring` is missing: nobody would notice that the model no longer works",
        route,
        on="key",
        help="add `monitoring` with `system`, `data_drift`, `concept_drift`, `data_quality` and `alerts`",
    )


@rule("MON002", (None, INFO, WARNING), reads="monitoring")
def data_drift_not_watched(case: Case) -> Iterable[Hit]:
    """Nobody looks whether inputs still look like those of training.

    ## Why this is bad
    Labels come late or never; inputs are there at once. Drift of the inputs is the first sign that the model may be wrong.

    ## Bad
    ```yaml
    monitoring: {data_drift: null}
    retraining: {on: [concept_drift]}
    ```

    ## Good
    ```yaml
    monitoring: {data_drift: {tests: [psi], window: 1 d}}
    ```

    ## Fix safety
    Unsafe: there will be alarms; the limit is the guide's.

    ## Source
    Guide, "Drift Types Overview: data drift, statistical tests".
    """
    if _watched(case) is not None and _data_drift(case) is None:
        yield Hit(
            "`data_drift` is missing: inputs may change unseen",
            ("monitoring",),
            on="key",
            help="write `data_drift: {tests: [psi], window: 1 d}`, and `ks` for small windows",
            fix=Fix(
                "watch inputs", (Change("set", ("monitoring", "data_drift"), {"tests": ["psi"], "window": "1 d"}),), safe=False
            ),
        )


@rule("MON003", (None, INFO, WARNING), reads="monitoring")
def concept_drift_not_watched(case: Case) -> Iterable[Hit]:
    """Nobody looks whether the model is still as good as it was.

    ## Why this is bad
    What follows from the inputs can change while the inputs look the same; only the model's own quality, or a proxy of it,
    shows it.

    ## Bad
    ```yaml
    monitoring: {concept_drift: null}
    retraining: {on: [data_drift]}
    ```

    ## Good
    ```yaml
    monitoring: {concept_drift: {metric: roc_auc, max_drop: 5 %}}
    ```

    ## Fix safety
    Unsafe: there will be alarms; the limit is the guide's, for the primary metric.

    ## Source
    Guide, "Drift Types Overview: concept drift, performance monitoring" and "Key Metrics to Monitor: >5% drop triggers alert".
    """
    if _watched(case) is not None and _concept_drift(case) is None:
        yield Hit(
            "`concept_drift` is missing: the model may get worse unseen",
            ("monitoring",),
            on="key",
            help="write `concept_drift: {max_drop: 5 %}`, and `proxy` where the truth comes late",
            fix=Fix(
                "watch the primary metric", (Change("set", ("monitoring", "concept_drift"), {"max_drop": "5 %"}),), safe=False
            ),
        )


@rule("MON004", (None, INFO, WARNING), reads="monitoring deployment")
def machines_not_watched(case: Case) -> Iterable[Hit]:
    """Nobody looks how busy the machines are that answer.

    ## Why this is bad
    A full memory ends a service in the middle of its work. Of the guide's three levels of monitoring, this one warns first.

    ## Bad
    ```yaml
    monitoring: {system: null}
    ```

    ## Good
    ```yaml
    monitoring: {system: {cpu: 80 %, memory: 80 %}}
    ```

    ## Fix safety
    Unsafe: there will be alarms; the limits are the guide's.

    ## Source
    Guide, "Monitoring Levels: system (CPU, memory, latency), real-time" and "Performance Monitoring: <80% CPU/Memory".
    """
    monitoring = _watched(case)
    if monitoring is not None and monitoring.system is None and case.project.deployment is not None:
        value = {"cpu": "80 %", "memory": "80 %"}
        yield Hit(
            "`system` is missing: nobody sees a machine fill up",
            ("monitoring",),
            on="key",
            help="write `system: {cpu: 80 %, memory: 80 %}`",
            fix=Fix("watch the machines", (Change("set", ("monitoring", "system"), value),), safe=False),
        )


@rule("MON005", (None, INFO, WARNING), reads="monitoring requirements")
def business_not_watched(case: Case) -> Iterable[Hit]:
    """There are targets of the business, and nobody looks whether they are met.

    ## Why this is bad
    A model can be as good as ever and bring nothing. The business level is the one the project exists for.

    ## Bad
    ```yaml
    monitoring: {business: null}
    ```

    ## Good
    ```yaml
    monitoring: {business: {cadence: weekly}}
    ```

    ## Fix safety
    Unsafe: somebody must look each week.

    ## Source
    Guide, "Monitoring Levels: business (revenue, conversion), daily/weekly" and "Post-Production Checklist: business metrics
    tracking".
    """
    monitoring, targets = _watched(case), case.project.requirements.business
    if monitoring is not None and monitoring.business is None and targets:
        yield Hit(
            f"`{targets[0].name}` is a target of the business, and nobody looks whether it is met",
            ("monitoring",),
            on="key",
            help="write `business: {cadence: weekly}`",
            related=(("the target", ("requirements", "business", 0)),),
            fix=Fix("look each week", (Change("set", ("monitoring", "business"), {"cadence": "weekly"}),), safe=False),
        )


@rule("MON006", (None, INFO, INFO), reads="monitoring")
def data_quality_not_watched(case: Case) -> Iterable[Hit]:
    """Rows in production are not held against the schema.

    ## Why this is bad
    Most sudden losses of quality come from upstream: a column that is empty since the last release, a unit that changed.

    ## Bad
    ```yaml
    monitoring: {data_quality: null}
    ```

    ## Good
    ```yaml
    monitoring: {data_quality: {max_anomalies: 10 %}}
    ```

    ## Fix safety
    Unsafe: there will be alarms; the limit is the guide's.

    ## Source
    Guide, "Key Metrics to Monitor: missing values, outliers, >10% anomaly rate".
    """
    monitoring = _watched(case)
    if monitoring is not None and monitoring.data_quality is None:
        yield Hit(
            "`data_quality` is missing: rows are not held against the schema",
            ("monitoring",),
            on="key",
            help="write `data_quality: {max_anomalies: 10 %}`",
            fix=Fix(
                "hold rows against the schema",
                (Change("set", ("monitoring", "data_quality"), {"max_anomalies": "10 %"}),),
                safe=False,
            ),
        )


@rule("MON007", (None, INFO, WARNING), reads="monitoring")
def nobody_is_alerted(case: Case) -> Iterable[Hit]:
    """The model is watched, and nobody is told what is found.

    ## Why this is bad
    A dashboard that nobody looks at is no monitoring: the failure is on a screen, and the model goes on.

    ## Bad
    ```yaml
    monitoring: {alerts: []}
    ```

    ## Good
    ```yaml
    monitoring: {alerts: [{kind: pagerduty, routing_key: "${env:PAGERDUTY_KEY}", severity: warning}]}
    ```

    ## Fix safety
    None: only you know who is to be told.

    ## Source
    Guide, "Pre-Production Checklist: monitoring and alerting set up".
    """
    monitoring = _watched(case)
    if monitoring is not None and not monitoring.alerts:
        wrote = case.written("monitoring", "alerts") is not None
        yield Hit(
            "`alerts` is empty: nobody is told",
            ("monitoring", "alerts") if wrote else ("monitoring",),
            on="value" if wrote else "key",
            help='write for instance `alerts: [{kind: slack, url: "${secret:alerts/slack}"}]`',
        )


@rule("MON008", (None, INFO, INFO), reads="monitoring")
def nobody_is_woken(case: Case) -> Iterable[Hit]:
    """Critical alerts go where nobody looks at night: to mail or chat only.

    ## Why this is bad
    A mail is read in the morning. Until then a service that is down is down.

    ## Bad
    ```yaml
    monitoring:
      alerts: [{kind: email, to: ml@example.com, server: "${secret:mail/server}", severity: warning}]
    ```

    ## Good
    ```yaml
    monitoring:
      alerts:
        - {kind: email, to: ml@example.com, server: "${secret:mail/server}", severity: warning}
        - {kind: pagerduty, routing_key: "${env:PAGERDUTY_KEY}", severity: critical}
    ```

    ## Fix safety
    None: only you know who is on call.

    ## Source
    Guide, "Tool Ecosystem: alerting, incident response" and "Post-Production Checklist: incident response procedures".
    """
    monitoring = _watched(case)
    alerts: list[Any] = list(monitoring.alerts) if monitoring else []
    if not alerts or any(alert.kind not in ("email", "slack") for alert in alerts):
        return
    kinds = " and ".join(sorted({f"`{alert.kind}`" for alert in alerts}))
    worst = next((index for index, alert in enumerate(alerts) if alert.severity == "critical"), 0)
    yield Hit(
        f"alerts go to {kinds} only: nobody is woken when the service is down",
        ("monitoring", "alerts", worst, "kind"),
        help='add `{kind: pagerduty, routing_key: "${env:…}", severity: critical}`',
    )


@rule("MON009", (None, INFO, WARNING), reads="monitoring")
def looser_than_the_guide(case: Case) -> Iterable[Hit]:
    """A limit of the monitoring lets more pass than the guide's.

    ## Why this is bad
    A loose limit alarms when users have long noticed.

    ## Bad
    ```yaml
    monitoring: {concept_drift: {max_drop: 20 %}, data_quality: {max_anomalies: 30 %}, system: {cpu: 95 %}}
    ```

    ## Good
    ```yaml
    monitoring: {concept_drift: {max_drop: 5 %}, data_quality: {max_anomalies: 10 %}, system: {cpu: 80 %}}
    ```

    ## Fix safety
    Unsafe: there will be more alerts.

    ## Source
    Guide, "Key Metrics to Monitor" (above a 5 % drop, above a 10 % anomaly rate) and "Performance Monitoring" (below 80 %
    of CPU and memory).
    """
    limits = (
        ("concept_drift", "max_drop", 0.05),
        ("data_quality", "max_anomalies", 0.1),
        ("system", "cpu", 0.8),
        ("system", "memory", 0.8),
    )
    monitoring = _watched(case)
    for section, key, limit in limits:
        part = getattr(monitoring, section, None)
        value = getattr(part, key) if part is not None else 0.0
        if value > limit + 1e-9:
            route = ("monitoring", section, key)
            yield Hit(
                f"`{key}` is {value}; the guide's limit is {Percent(limit)}",
                route,
                help=f"write `{key}: {Percent(limit)}`",
                fix=Fix(f"write {Percent(limit)}", (Change("set", route, str(Percent(limit))),), safe=False),
            )


@rule("MON010", (None, INFO, WARNING), reads="monitoring")
def drift_reaches_nobody(case: Case) -> Iterable[Hit]:
    """Drift is watched, and every channel takes critical alerts only.

    ## Why this is bad
    `severity` is the mildest alert that goes to a channel. Drift is a warning long before it is critical, and no channel takes
    warnings.

    ## Bad
    ```yaml
    monitoring: {alerts: [{kind: pagerduty, routing_key: "${env:PAGERDUTY_KEY}", severity: critical}]}
    ```

    ## Good
    ```yaml
    monitoring:
      alerts:
        - {kind: slack, url: "${secret:alerts/slack}", severity: warning}
        - {kind: pagerduty, routing_key: "${env:PAGERDUTY_KEY}", severity: critical}
    ```

    ## Fix safety
    None: only you know who is to be told.

    ## Source
    Guide, "Tool Ecosystem: alerting (PagerDuty, Slack)" and "Key Metrics to Monitor".
    """
    monitoring = _watched(case)
    if monitoring is None or not monitoring.alerts or not (monitoring.data_drift or monitoring.concept_drift):
        return
    alerts: list[Any] = list(monitoring.alerts)
    if all(alert.severity == "critical" for alert in alerts):
        yield Hit(
            "every channel takes critical alerts only: warnings of drift reach nobody",
            ("monitoring", "alerts", 0, "severity"),
            help='add a channel for warnings, such as `{kind: slack, url: "${secret:alerts/slack}", severity: warning}`',
            related=(("drift is watched here", ("monitoring", "data_drift" if monitoring.data_drift else "concept_drift")),),
        )


@rule("MON011", WARNING, reads="monitoring data task")
def watched_column_is_no_feature(case: Case) -> Iterable[Hit]:
    """A column is watched for drift that the model does not see.

    ## Why this is bad
    An id drifts by nature and alarms each day. The target's drift is another question, `label_drift`.

    ## Bad
    ```yaml
    monitoring: {data_drift: {columns: [tenure, customerID]}}
    ```

    ## Good
    ```yaml
    monitoring: {data_drift: {columns: [tenure, MonthlyCharges]}}
    ```

    ## Fix safety
    None: only you know what was to be watched instead.

    ## Source
    Guide, "Drift Types Overview: data drift, input distribution (X)".
    """
    drift = _data_drift(case)
    for index, name in enumerate(drift.columns if drift else ()):
        column = case.columns.get(name)
        route: Route = ("monitoring", "data_drift", "columns", index)
        if case.written("monitoring", "data_drift", "columns") == name:
            route = route[:-1]  # one column, written without a list
        if name == case.target:
            yield Hit(
                f"`{name}` is the target, not an input", route, help="write `label_drift`, which looks at labels and predictions"
            )
        elif column is not None and column.role in ("id", "ignore"):
            declared = (("its role", ("data", "columns", name, "role")),)
            yield Hit(
                f"`{name}` has the role `{column.role}`: the model does not see it", route, help="leave it out", related=declared
            )


@rule("MON012", (INFO, WARNING, WARNING), reads="monitoring")
def drift_threshold_too_high(case: Case) -> Iterable[Hit]:
    """A population stability index far above what is already called a large shift is still no drift.

    ## Why this is bad
    0.1 is called a moderate shift, 0.25 a large one. Above it, whole groups of rows have come or gone before there is an
    alarm.

    ## Bad
    ```yaml
    monitoring: {data_drift: {psi: 0.5}}
    ```

    ## Good
    ```yaml
    monitoring: {data_drift: {psi: 0.1}}
    ```

    ## Fix safety
    Unsafe: there will be more alarms.

    ## Source
    Guide, "Data Drift Detection: psi > 0.1". Siddiqi (2006), Credit Risk Scorecards: above 0.25 the population has shifted.
    """
    drift = _data_drift(case)
    if drift is not None and "psi" in drift.tests and drift.psi > 0.25:
        route = ("monitoring", "data_drift", "psi")
        yield Hit(
            f"an index of {drift.psi:g} is needed for an alarm; 0.25 is already called a large shift",
            route,
            help="write `psi: 0.1`, the guide's limit, or at most 0.25",
            fix=Fix("write 0.1", (Change("set", route, 0.1),), safe=False),
        )


@rule("MON013", (INFO, WARNING, WARNING), reads="monitoring retraining")
def window_longer_than_retraining(case: Case) -> Iterable[Hit]:
    """Drift is looked for over a longer time than a model is in use.

    ## Why this is bad
    The window still holds rows that an earlier model answered: old data is compared with the training data of the new model.

    ## Bad
    ```yaml
    monitoring: {data_drift: {window: 14 d}}
    retraining: {schedule: daily, cooldown: 1 d, approve: automatic}
    ```

    ## Good
    ```yaml
    monitoring: {data_drift: {window: 1 d}}
    retraining: {schedule: weekly}
    ```

    ## Fix safety
    None: a shorter window has fewer rows, a rarer retraining an older model.

    ## Source
    Guide, "Monitoring Levels: drift scores, hourly/daily" and "Maintenance Types: scheduled".
    """
    drift, retraining = _data_drift(case), case.project.retraining
    if drift is None or retraining is None or retraining.schedule is None:
        return
    every = period(retraining.schedule)
    if drift.window > every * 1.01:
        route, on = _place(case, "monitoring", "data_drift", "window")
        yield Hit(
            f"drift is looked for over {drift.window}, and a new model comes every {spoken(every)}",
            route,
            on=on,
            help=f"write a `window` of at most {spoken(every)}, or retrain less often",
            related=(("a new model comes", ("retraining", "schedule")),),
        )


@rule("MON014", (INFO, WARNING, WARNING), reads="monitoring pipeline deployment")
def window_shorter_than_batches(case: Case) -> Iterable[Hit]:
    """Answers come in batches, and most windows of the drift tests hold none.

    ## Why this is bad
    Between two batches there is nothing to compare: the test is skipped, or reports that all data is gone.

    ## Bad
    ```yaml
    deployment: {serve: batch, pattern: null}
    requirements: {service: {latency_p95: null}}
    monitoring: {data_drift: {window: 1 h}}
    pipeline: {schedule: weekly}
    ```

    ## Good
    ```yaml
    deployment: {serve: batch, pattern: null}
    requirements: {service: {latency_p95: null}}
    monitoring: {data_drift: {window: 7 d}}
    pipeline: {schedule: weekly}
    ```

    ## Fix safety
    None: the window decides how soon drift is seen.

    ## Source
    Guide, "Deployment Decision Tree: batch processing" and "Monitoring Levels: hourly/daily".
    """
    drift, deployment, schedule = _data_drift(case), case.project.deployment, case.project.pipeline.schedule
    if drift is None or deployment is None or deployment.serve != "batch" or schedule is None:
        return
    every = period(schedule)
    if drift.window < every * 0.99:
        route, on = _place(case, "monitoring", "data_drift", "window")
        yield Hit(
            f"a batch comes every {spoken(every)}, and drift is looked for in {drift.window}: most windows are empty",
            route,
            on=on,
            help=f"write a `window` of {spoken(every)} or more",
            related=(("batches come", ("pipeline", "schedule")),),
        )


@rule("MON015", WARNING, reads="monitoring task")
def label_drift_test_for_categories(case: Case) -> Iterable[Hit]:
    """The drift of a number is tested with a test for categories.

    ## Why this is bad
    Chi-square counts how often each value occurs. A number hardly ever occurs twice, so every window looks different.

    ## Bad
    ```yaml
    task: {kind: regression, target: MonthlyCharges, positive: null}
    requirements: {metrics: [{metric: rmse, target: "<= 5"}]}
    data: {columns: {Churn: null}}
    splits: {strategy: random}
    evaluation: {fairness: null}
    monitoring: {label_drift: {test: chi2}, concept_drift: {metric: rmse}}
    ```

    ## Good
    ```yaml
    task: {kind: regression, target: MonthlyCharges, positive: null}
    requirements: {metrics: [{metric: rmse, target: "<= 5"}]}
    data: {columns: {Churn: null}}
    splits: {strategy: random}
    evaluation: {fairness: null}
    model: {params: null}
    baseline: {kind: sklearn.ridge}
    monitoring: {label_drift: {test: psi}, concept_drift: {metric: rmse}}
    ```

    ## Fix safety
    Safe: the index works on ranges of the number; chi-square cannot have been meant.

    ## Source
    Guide, "Drift Types Overview: label drift, label analysis". Pearson (1900): the chi-square test is for counts of categories.
    """
    drift = case.project.monitoring.label_drift if case.project.monitoring else None
    if drift is not None and drift.test == "chi2" and case.task in ("regression", "forecasting"):
        route, on = _place(case, "monitoring", "label_drift", "test")
        yield Hit(
            f"a {case.task} predicts numbers, and chi-square compares categories",
            route,
            on=on,
            help="write `test: psi`",
            fix=Fix("write psi", (Change("set", ("monitoring", "label_drift", "test"), "psi"),)),
        )


@rule("MON016", (INFO, WARNING, WARNING), reads="monitoring data task")
def columns_no_test_fits(case: Case) -> Iterable[Hit]:
    """Some of the watched columns fit none of the chosen drift tests.

    ## Why this is bad
    Kolmogorov-Smirnov and Wasserstein need numbers, chi-square needs categories. A column that fits none is not watched at all.

    ## Bad
    ```yaml
    monitoring: {data_drift: {tests: [ks]}}
    ```

    ## Good
    ```yaml
    monitoring: {data_drift: {tests: [ks, chi2]}}
    ```

    ## Fix safety
    Unsafe: one more test makes more alarms.

    ## Source
    Guide, "Data Drift Detection: ks_2samp and PSI". Massey (1951): the Kolmogorov-Smirnov test is for ordered values.
    """
    drift = _data_drift(case)
    if drift is None or "psi" in drift.tests:
        return
    has_numbers, has_categories = bool({"ks", "wasserstein"} & set(drift.tests)), "chi2" in drift.tests
    lacking = (None if has_categories else CATEGORICAL, "chi2") if has_numbers else (NUMERIC, "ks")
    if lacking[0] is None:
        return
    watched = [name for name in case.features if not drift.columns or name in drift.columns]
    missed = [name for name in watched if case.columns[name].type in lacking[0]]
    if missed:
        route, on = _place(case, "monitoring", "data_drift", "tests")
        tests = [*drift.tests, lacking[1]]
        named = ", ".join(f"`{name}`" for name in missed[:3]) + (f" and {len(missed) - 3} more" if len(missed) > 3 else "")
        yield Hit(
            f"no test watches {named}: {' and '.join(drift.tests)} cannot compare that type",
            route,
            on=on,
            help=f"write `tests: [{', '.join(tests)}]`; `psi` fits every type",
            related=(("a column of that type", ("data", "columns", missed[0], "type")),),
            fix=Fix(f"add {lacking[1]}", (Change("set", ("monitoring", "data_drift", "tests"), tests),), safe=False),
        )


@rule("MON017", (INFO, WARNING, WARNING), reads="monitoring task")
def detector_needs_classes(case: Case) -> Iterable[Hit]:
    """A detector that counts wrong answers is chosen where answers are numbers.

    ## Why this is bad
    DDM models a share of errors, right or wrong. A number is nearly always a little wrong, so it counts errors at every row.

    ## Bad
    ```yaml
    task: {kind: regression, target: MonthlyCharges, positive: null}
    requirements: {metrics: [{metric: rmse, target: "<= 5"}]}
    data: {columns: {Churn: null}}
    splits: {strategy: random}
    evaluation: {fairness: null}
    monitoring: {label_drift: {test: psi}, concept_drift: {metric: rmse, detector: ddm}}
    ```

    ## Good
    ```yaml
    task: {kind: regression, target: MonthlyCharges, positive: null}
    requirements: {metrics: [{metric: rmse, target: "<= 5"}]}
    data: {columns: {Churn: null}}
    splits: {strategy: random}
    evaluation: {fairness: null}
    model: {params: null}
    baseline: {kind: sklearn.ridge}
    monitoring: {label_drift: {test: psi}, concept_drift: {metric: rmse, detector: page_hinkley}}
    ```

    ## Fix safety
    Unsafe: Page-Hinkley finds a change of the mean error, at other times than DDM.

    ## Source
    Guide, "Drift Types Overview: concept drift". Gama et al. (2004), Learning with Drift Detection: DDM takes
    errors as Bernoulli trials.
    """
    concept = _concept_drift(case)
    if concept is not None and concept.detector == "ddm" and case.task in ("regression", "forecasting"):
        route = ("monitoring", "concept_drift", "detector")
        yield Hit(
            f"`ddm` counts right and wrong answers; a {case.task} gives numbers",
            route,
            help="write `detector: page_hinkley`, or `adwin`",
            fix=Fix("use Page-Hinkley", (Change("set", route, "page_hinkley"),), safe=False),
        )


@rule("MON018", (None, INFO, INFO), reads="monitoring")
def detector_misses_slow_drift(case: Case) -> Iterable[Hit]:
    """Slow drift is expected, and the detector is made for abrupt change.

    ## Why this is bad
    DDM compares with the best error rate so far. A change that comes in small steps is learnt into its memory before it alarms.

    ## Bad
    ```yaml
    monitoring: {concept_drift: {expected: [gradual], detector: ddm}}
    ```

    ## Good
    ```yaml
    monitoring: {concept_drift: {expected: [gradual], detector: adwin}}
    ```

    ## Fix safety
    Unsafe: ADWIN alarms at other times.

    ## Source
    Guide, "Concept Drift Patterns". Baena-García et al. (2006), Early Drift Detection Method: DDM has difficulties with very slow
    gradual change.
    """
    concept = _concept_drift(case)
    slow = next((one for one in concept.expected if one in ("gradual", "incremental")), None) if concept else None
    if concept is not None and concept.detector == "ddm" and slow is not None:
        route = ("monitoring", "concept_drift", "detector")
        yield Hit(
            f"`ddm` is made for abrupt change, and {slow} drift is expected",
            route,
            help="write `detector: adwin`, which fits its window to the speed of the change",
            related=(("what is expected", ("monitoring", "concept_drift", "expected")),),
            fix=Fix("use ADWIN", (Change("set", route, "adwin"),), safe=False),
        )


@rule("MON019", (None, INFO, INFO), reads="monitoring")
def business_seldom_watched(case: Case) -> Iterable[Hit]:
    """The targets of the business are looked at once a month.

    ## Why this is bad
    Four bad weeks pass before somebody sees them; the guide looks daily or weekly.

    ## Bad
    ```yaml
    monitoring: {business: {cadence: monthly}}
    ```

    ## Good
    ```yaml
    monitoring: {business: {cadence: weekly}}
    ```

    ## Fix safety
    Unsafe: somebody must look more often.

    ## Source
    Guide, "Monitoring Levels: business, daily/weekly".
    """
    business = case.project.monitoring.business if case.project.monitoring else None
    if business is not None and business.cadence == "monthly":
        route = ("monitoring", "business", "cadence")
        yield Hit(
            "business targets are looked at monthly; the guide looks daily or weekly",
            route,
            help="write `cadence: weekly`",
            fix=Fix("look weekly", (Change("set", route, "weekly"),), safe=False),
        )


@rule("MON020", (None, INFO, INFO), reads="monitoring")
def no_dashboard(case: Case) -> Iterable[Hit]:
    """Nothing that is watched is drawn.

    ## Why this is bad
    An alert says that something is wrong; the course of the last weeks says what. Without it each incident starts with collecting
    data.

    ## Bad
    ```yaml
    monitoring: {dashboards: none}
    ```

    ## Good
    ```yaml
    monitoring: {dashboards: grafana}
    ```

    ## Fix safety
    Unsafe: Grafana is needed from then on.

    ## Source
    Guide, "Dashboard Design: trend analysis".
    """
    monitoring = _watched(case)
    if monitoring is not None and monitoring.dashboards == "none":
        route = ("monitoring", "dashboards")
        yield Hit(
            "nothing is drawn: whoever gets an alert sees no course of things",
            route,
            help="write `dashboards: grafana`",
            fix=Fix("draw dashboards", (Change("set", route, "grafana"),), safe=False),
        )


@rule("MON021", (INFO, WARNING, WARNING), reads="monitoring requirements")
def watched_looser_than_required(case: Case) -> Iterable[Hit]:
    """The loss that alarms is larger than what lies between a useless model and the required one.

    ## Why this is bad
    A model that only just meets its requirement could then lose all it knows, and there would be no alarm.

    ## Bad
    ```yaml
    monitoring: {concept_drift: {metric: roc_auc, max_drop: 45 %}}
    ```

    ## Good
    ```yaml
    monitoring: {concept_drift: {metric: roc_auc, max_drop: 5 %}}
    ```

    ## Fix safety
    Unsafe: there will be more alerts.

    ## Source
    Guide, "Key Metrics to Monitor: >5% drop triggers alert". Chance gives a ROC AUC of 0.5: Hanley and McNeil (1982).
    """
    concept, primary = _concept_drift(case), case.primary
    name = concept.metric or (primary.metric if primary else None) if concept else None
    wanted = next((one for one in case.project.requirements.metrics if one.metric == name), None)
    if concept is None or wanted is None or name != "roc_auc" or wanted.target.op not in (">=", ">"):
        return
    required = wanted.target.value
    if required > 0.5 and required * (1 - concept.max_drop) <= 0.5:
        route, on = _place(case, "monitoring", "concept_drift", "max_drop")
        yield Hit(
            f"a {name} of {required:g} that loses {concept.max_drop} of it is no better than chance, and nothing alarms",
            route,
            on=on,
            help="write `max_drop: 5 %`, the guide's limit",
            fix=Fix("alarm at 5 %", (Change("set", ("monitoring", "concept_drift", "max_drop"), "5 %"),), safe=False),
        )
