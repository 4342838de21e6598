"""What a change of a spec means, as data: for each route which way is stricter, how bad the other way is, who answers for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Literal

from mlspec.diagnostic import Route

Area = Literal["requirements", "data", "model", "production", "retraining"]
"""What somebody of `project.stakeholders` may approve."""


class Level(StrEnum):
    """How much care a change takes. A risky one needs the yes of somebody who may give it."""

    SAFE = "safe"
    NOTABLE = "notable"
    RISKY = "risky"

    @property
    def rank(self) -> int:
        """0 for safe."""
        return list(Level).index(self)


SAFE, NOTABLE, RISKY = Level


@dataclass(frozen=True, slots=True)
class Topic:
    """What several rows have in common: who approves, why it matters, and where the guide says so."""

    name: str
    area: Area
    why: str
    guide: str


@dataclass(frozen=True, slots=True)
class Row:
    """What a change at a route means. In `route`, `*` is any key and `[]` any position of a list.

    `stricter` says which way the value gets stricter: "higher", "lower", "target" (a comparison), "more" or "fewer" (members of
    a list, no list being none at all), "true", "false", "known" (any value against none), "here" (the part is there at all), or
    the values from the strictest to the laxest; empty where there is no such way. `unset` is what null counts as: "laxest",
    "strictest" or (empty) a value that cannot be compared.
    `lax`, `strict` and `other` are the levels of a change in that way, in the other way, and of one that has no way.
    """

    route: str
    topic: Topic
    stricter: str | tuple[str, ...]
    what: str
    lax: Level = RISKY
    strict: Level = SAFE
    other: Level = NOTABLE
    unset: str = "laxest"


GATE = Topic("gate", "requirements", "a model that was refused until now may go out", "Pre-Deployment Checklist")
FAIRNESS = Topic("fairness", "requirements", "groups of people may be treated more differently", "Pre-Deployment Checklist")
CHECK = Topic("data-check", "data", "rows that stopped a run until now may reach the model", "Common Pitfalls to Avoid")
PRIVACY = Topic("privacy", "data", "personal data may be used or kept in a way nobody has agreed to", "Security")
LEAK = Topic("feature", "data", "a feature may hold what is not known when the model answers", "Common Pitfalls to Avoid")
SPLIT = Topic("split", "data", "scores cannot be compared with those of earlier versions", "Splitting Best Practices")
SOURCE = Topic("source", "data", "scores cannot be compared with those of earlier versions", "Data Lineage Tracking")
PROBLEM = Topic("problem", "requirements", "the model answers another question", "Problem Definition Framework")
MODEL = Topic("model", "model", "the model is made in another way", "Algorithm Selection Guide")
TRAINING = Topic("training", "model", "the model is made in another way", "Training Best Practices")
JUDGING = Topic("evaluation", "model", "the model is judged in another way", "Pre-Deployment Checklist")
MONITOR = Topic("monitor", "production", "a model that goes bad may be noticed later, or never", "Key Metrics to Monitor")
ALERT = Topic("alert", "production", "nobody may hear of a fault", "Common Pitfalls to Avoid")
APPROVAL = Topic("approval", "production", "what a person had to agree to happens by itself", "Human Involvement Spectrum")
RETRAINING = Topic("retraining", "retraining", "another model may come into use, or later", "Automated Retraining Pipeline")
SERVICE = Topic("service", "requirements", "the service may become slower or fail more often", "Non-Functional Requirements")
EXPORT = Topic("export", "production", "a file may pass that the device cannot carry", "Edge Optimization Strategies")
PROTECTION = Topic("protection", "production", "the service is less protected", "Security")
ROLLOUT = Topic("deployment", "production", "the model comes into use in another way", "Pattern Comparison")
OPERATION = Topic("operation", "production", "runs take other machines, times or tries", "Cost Optimization")
SECRET = Topic("secret", "production", "another account or place is used", "Security")
PEOPLE = Topic("people", "production", "other people may agree to risky changes", "Stakeholder Management")
STEP = Topic("step", "model", "the pipeline does something else", "Pipeline Components")
WORDS = Topic("words", "requirements", "", "")

ROWS = (
    # what the model must reach
    Row("requirements.metrics[]", GATE, "here", "the requirement on {metric}"),
    Row("requirements.metrics[].target", GATE, "target", "the target of {metric}"),
    Row("requirements.metrics[].primary", JUDGING, "", "whether {metric} is the metric that models are compared by"),
    Row("requirements.coverage[]", GATE, "here", "the situation `{name}` that the model must handle"),
    Row("requirements.coverage[].where", GATE, "", "the rows of the situation `{name}`", other=RISKY),
    Row("requirements.interpretability", GATE, ("required", "preferred", "none"), "the need to follow a decision"),
    Row("requirements.regulation", GATE, ("strict", "some", "minimal"), "how strictly it is regulated"),
    Row("requirements.criticality", GATE, ("high", "medium", "low"), "how much hangs on a decision", lax=NOTABLE),
    Row("requirements.error_cost", GATE, ("high", "medium", "low"), "what a wrong decision costs", lax=NOTABLE),
    Row("requirements.business[]", GATE, "here", "the business target `{name}`"),
    Row("requirements.business[].target", GATE, "target", "the business target `{name}`"),
    Row("requirements.compliance", GATE, "more", "the rules that apply"),
    Row("requirements.constraints[]", GATE, "here", "the constraint `{statement}`"),
    Row("requirements.automation", APPROVAL, "here", "the limit on what the model decides by itself"),
    Row(
        "requirements.automation.level", APPROVAL, ("human_in_the_loop", "partial", "full"), "how much the model leaves to people"
    ),
    Row("requirements.automation.accept_above", APPROVAL, "higher", "the confidence from which the model decides"),
    Row("requirements.automation.review", APPROVAL, "here", "the review by people"),
    Row("requirements.maintainability", GATE, "here", "the limits on your own code", lax=NOTABLE),
    Row("requirements.maintainability.max_complexity", GATE, "lower", "the limit on complexity", lax=NOTABLE),
    Row("evaluation.beat_baseline_by", GATE, "higher", "the lead that the model must have over the baseline"),
    Row("evaluation.overfitting", GATE, "here", "the gate on overfitting"),
    Row("evaluation.overfitting.max_gap", GATE, "lower", "the gap that is allowed between train and dev"),
    Row("evaluation.worst_slice", GATE, "here", "the gate on the worst slice"),
    Row("evaluation.worst_slice.max_drop", GATE, "lower", "how far the worst slice may fall behind"),
    Row("evaluation.worst_slice.min_rows", GATE, "lower", "the rows from which a slice counts"),
    Row("evaluation.slices[]", GATE, "here", "the slice {column}{where}", lax=NOTABLE),
    Row("evaluation.fairness", FAIRNESS, "here", "the gate on fairness"),
    Row("evaluation.fairness.max", FAIRNESS, "lower", "the difference that is allowed between groups"),
    Row("evaluation.fairness.metric", FAIRNESS, "", "how the difference between groups is measured", other=RISKY),
    Row("evaluation.fairness.sensitive", FAIRNESS, "more", "the columns whose groups are compared"),
    Row("evaluation.champion", GATE, "here", "the comparison with the model in use"),
    Row("evaluation.champion.min_improvement", GATE, "higher", "the lead over the model in use"),
    Row("evaluation.robustness", GATE, "here", "the gate on worse inputs"),
    Row("evaluation.robustness.max_drop", GATE, "lower", "what worse inputs may cost"),
    Row("evaluation.robustness.noise", GATE, "higher", "the noise that the model must bear"),
    Row("evaluation.robustness.missing", GATE, "higher", "the missing values that the model must bear"),
    Row("evaluation.robustness.edge_cases", GATE, "more", "the edge cases that the model must handle"),
    Row("evaluation.stress", GATE, "here", "the load test"),
    Row("evaluation.stress.rate", GATE, "higher", "the load that the service must bear", unset=""),
    Row("evaluation.threshold", JUDGING, "", "the probability from which a row is called positive", other=RISKY),
    Row("evaluation.metrics.*", JUDGING, "here", "your metric {*}", lax=NOTABLE, strict=NOTABLE),
    Row("evaluation.metrics.*.*", JUDGING, "", "how your metric {*} is measured", other=RISKY),
    Row("evaluation", JUDGING, "", "how the model is judged"),
    # what data may come in
    Row("data.checks[]", CHECK, "here", "the check `{kind}` {columns}{that}"),
    Row("data.checks[].max", CHECK, "lower", "what the check `{kind}` lets pass", unset="laxest"),
    Row("data.checks[].max_failing", CHECK, "lower", "the share of rows that may fail the check `{kind}`"),
    Row("data.checks[].min", CHECK, "higher", "the lower bound of the check `{kind}`"),
    Row("data.checks[].columns", CHECK, "more", "the columns of the check `{kind}`", unset="strictest"),
    Row("data.checks[].ignore", CHECK, "fewer", "the columns that the check `{kind}` leaves out"),
    Row("data.checks[].values", CHECK, "fewer", "the values that the check `{kind}` lets pass"),
    Row("data.checks[].that", CHECK, "", "the condition of the check `{kind}`", other=RISKY),
    Row("data.checks[].*", CHECK, "", "the check `{kind}`"),
    Row("data.on_failure", CHECK, ("stop", "quarantine", "warn"), "what a failing check does"),
    Row("data.columns.*.min", CHECK, "higher", "the smallest value of {*}"),
    Row("data.columns.*.max", CHECK, "lower", "the largest value of {*}"),
    Row("data.columns.*.values", CHECK, "fewer", "the values that {*} may have"),
    Row("data.columns.*.pattern", CHECK, "known", "the pattern of {*}"),
    Row("data.columns.*.nullable", CHECK, "false", "whether {*} may be missing", unset=""),
    Row("data.columns.*.unique", CHECK, "true", "whether each {*} occurs once"),
    Row("data.columns.*.type", CHECK, "known", "the type of {*}", lax=NOTABLE),
    Row("data.columns.*.description", WORDS, "", "what {*} means", other=SAFE),
    Row("data.columns.*.unit", CHECK, "", "the unit of {*}"),
    Row("data.validator", CHECK, "", "what checks the data"),
    Row("data.labels", CHECK, "here", "what is demanded of labels", lax=NOTABLE),
    Row("data.labels.agreement", CHECK, "here", "the gate on agreement of annotators"),
    Row("data.labels.agreement.min", CHECK, "higher", "how far annotators must agree"),
    Row("data.labels.annotators", CHECK, "higher", "how many people label a row", lax=NOTABLE),
    # people whose data it is
    Row("data.privacy", PRIVACY, "here", "what is said about privacy"),
    Row("data.privacy.mask", PRIVACY, ("drop", "hash", "none"), "what is done with personal columns"),
    Row("data.privacy.retention", PRIVACY, "lower", "how long rows are kept"),
    Row("data.privacy.lawful_basis", PRIVACY, "", "why the data may be used", other=RISKY, unset=""),
    # what earlier versions can be compared by
    Row("splits.rationale", WORDS, "", "why rows are dealt this way", other=SAFE),
    Row("splits.*", SPLIT, "", "`splits.{*}`, by which rows are dealt", other=RISKY),
    Row("data.sources.*", SOURCE, "here", "the source {*}", strict=RISKY),
    Row("data.sources.*.origin", SOURCE, "", "what is said about the source {*}"),
    Row("data.sources.*.license", SOURCE, "", "the license of the source {*}"),
    Row("data.sources.*.refresh", SOURCE, "", "how often the source {*} gets new rows"),
    Row("data.sources.*.growth", SOURCE, "", "how fast the source {*} grows"),
    Row("data.sources.*.description", WORDS, "", "what is said about the source {*}", other=SAFE),
    Row("data.sources.*.*", SOURCE, "", "where the source {*} gets its rows", other=RISKY),
    Row("data.join[]", SOURCE, "", "how sources are joined", other=RISKY),
    Row("data.join", SOURCE, "", "how sources are joined", other=RISKY),
    Row("data.union", SOURCE, "", "how sources are stacked", other=RISKY),
    Row("data", SOURCE, "", "what is said about the data"),
    # what is asked
    Row("task.kind", PROBLEM, "", "the sort of problem", other=RISKY),
    Row("task.target", PROBLEM, "", "the column that is predicted", other=RISKY),
    Row("task.positive", PROBLEM, "", "the class that is looked for", other=RISKY),
    Row("task", PROBLEM, "", "what is predicted"),
    Row("for_each", MODEL, "here", "a model for each item", lax=NOTABLE, strict=NOTABLE),
    Row("for_each.values", MODEL, "more", "which items have a model", lax=NOTABLE),
    Row("for_each", MODEL, "", "which items have a model"),
    # how it is made
    Row("model.kind", MODEL, "", "the family of the model"),
    Row("model", MODEL, "", "a parameter of the model"),
    Row("baseline", MODEL, "", "the baseline"),
    Row("features", MODEL, "", "a transform of the features"),
    Row("augmentation", MODEL, "", "the rows made from rows"),
    Row("compress", MODEL, "", "how the model is made smaller"),
    Row("training.cross_validation", TRAINING, "known", "cross-validation", lax=NOTABLE),
    Row("training", TRAINING, "", "how the model is fitted"),
    # what is watched
    Row("monitoring", MONITOR, "here", "all monitoring"),
    Row("monitoring.alerts[]", ALERT, "here", "the alert to {kind}"),
    Row("monitoring.alerts[].severity", ALERT, ("info", "warning", "critical"), "the mildest alert that goes to {kind}"),
    Row("monitoring.alerts[].*", ALERT, "", "where alerts go to by {kind}"),
    Row("monitoring.system", MONITOR, "here", "the watch over machines"),
    Row("monitoring.system.*", MONITOR, "lower", "the limit on {*}"),
    Row("monitoring.data_drift", MONITOR, "here", "the watch over data drift"),
    Row("monitoring.data_drift.psi", MONITOR, "lower", "the index from which there is data drift"),
    Row("monitoring.data_drift.p_value", MONITOR, "higher", "the p-value below which there is data drift"),
    Row("monitoring.data_drift.tests", MONITOR, "more", "the tests for data drift"),
    Row("monitoring.data_drift.columns", MONITOR, "more", "the columns that are watched for drift", unset="strictest"),
    Row("monitoring.data_drift.min_rows", MONITOR, "lower", "the rows from which drift is told", lax=NOTABLE),
    Row("monitoring.concept_drift", MONITOR, "here", "the watch over concept drift"),
    Row("monitoring.concept_drift.max_drop", MONITOR, "lower", "the loss that is no concept drift yet"),
    Row("monitoring.label_drift", MONITOR, "here", "the watch over label drift"),
    Row("monitoring.data_quality", MONITOR, "here", "the watch over data quality"),
    Row("monitoring.data_quality.max_anomalies", MONITOR, "lower", "the share of rows that may break the schema"),
    Row("monitoring.business", MONITOR, "here", "the watch over business targets"),
    Row("monitoring.business.cadence", MONITOR, ("daily", "weekly", "monthly"), "how often business targets are looked at"),
    Row("monitoring.*", MONITOR, "", "how the model is watched"),
    Row("pipeline.notify[]", ALERT, "here", "the message to {kind} when a run ends"),
    Row("pipeline.notify[].severity", ALERT, ("info", "warning", "critical"), "what is told to {kind} when a run ends"),
    Row("pipeline.notify[].*", ALERT, "", "who is told by {kind} when a run ends"),
    # who decides
    Row("retraining.approve", APPROVAL, ("human", "automatic"), "who lets a new model into production"),
    Row("retraining.ab_test", RETRAINING, "here", "the A/B test before a new model takes over"),
    Row("retraining.ab_test.power", RETRAINING, "higher", "the power of the A/B test"),
    Row("retraining.ab_test.significance", RETRAINING, "lower", "the significance of the A/B test"),
    Row("retraining.on", RETRAINING, "more", "what starts a retraining", lax=NOTABLE),
    Row("retraining", RETRAINING, "here", "retraining", lax=NOTABLE, strict=NOTABLE),
    Row("retraining.*", RETRAINING, "", "how the model is trained anew"),
    Row("feedback", RETRAINING, "here", "what is done about the model's own influence", lax=NOTABLE),
    Row("feedback.*", RETRAINING, "", "what is done about the model's own influence"),
    Row("project.stakeholders[]", PEOPLE, "here", "the stakeholder {role}", lax=NOTABLE, strict=NOTABLE),
    Row("project.stakeholders[].approves", PEOPLE, "", "what {role} may approve", other=RISKY),
    Row("project.stakeholders[].contact", PEOPLE, "", "how {role} is reached"),
    Row("project.phase", WORDS, ("production", "pilot", "proof_of_concept"), "how far the project is", lax=NOTABLE),
    Row("project.name", OPERATION, "", "the name that steps, images and the registered model have"),
    # the service
    Row("requirements.service", SERVICE, "here", "what the service must hold"),
    Row("requirements.service.latency_p50", SERVICE, "lower", "the time for half of the answers"),
    Row("requirements.service.latency_p95", SERVICE, "lower", "the time for 95 % of the answers"),
    Row("requirements.service.latency_p99", SERVICE, "lower", "the time for 99 % of the answers"),
    Row("requirements.service.error_rate", SERVICE, "lower", "the requests that may fail"),
    Row("requirements.service.*", SERVICE, "higher", "`{*}` that the service must hold"),
    Row("deployment.security", PROTECTION, "here", "what protects the service"),
    Row("deployment.security.authentication", PROTECTION, ("mutual_tls", "token", "none"), "who may ask the service"),
    Row("deployment.security.network", PROTECTION, ("restricted", "open"), "who may connect to the service"),
    Row("deployment.security.scan", PROTECTION, "true", "whether dependencies and images are scanned"),
    Row("deployment.region", PRIVACY, "", "where the service may run", other=RISKY),
    Row("deployment.pattern", ROLLOUT, "here", "how a new model takes over"),
    Row("deployment.pattern.promote", APPROVAL, ("manual", "automatic"), "who switches to a new model"),
    Row("deployment.pattern.rollback", ROLLOUT, ("automatic", "manual"), "who goes back to the old model"),
    Row("deployment", ROLLOUT, "", "how the model answers"),
    Row("exports[]", EXPORT, "here", "the export to {kind}", lax=NOTABLE),
    Row("exports[].max_size", EXPORT, "lower", "the largest file of {kind} that passes"),
    Row("exports[].max_latency_p95", EXPORT, "lower", "the longest time that {kind} may take"),
    Row("exports[].max_drop", EXPORT, "lower", "what {kind} may lose against the model"),
    Row("exports[].calibration_rows", EXPORT, "higher", "the rows that calibrate {kind}", lax=NOTABLE),
    Row("exports[].*", EXPORT, "", "the export to {kind}"),
    Row("hardware.edge.memory", EXPORT, "lower", "the memory that the model may use on the device"),
    # how it runs
    Row("hardware", OPERATION, "", "the machines that are asked for"),
    Row("pipeline.schedule", OPERATION, "", "when the pipeline starts by itself"),
    Row("pipeline", OPERATION, "", "how the pipeline runs"),
    Row("registry", OPERATION, "", "where versions of the model are kept"),
    Row("tracking", OPERATION, "", "where runs are recorded", other=SAFE),
    Row("steps.*", STEP, "here", "the step {*}"),
    Row("steps.*.description", WORDS, "", "what is said about the step {*}", other=SAFE),
    Row("steps.*.message", WORDS, "", "what the step {*} asks"),
    Row("steps.*.approvers", APPROVAL, "", "who may answer in the step {*}", other=RISKY),
    Row("steps.*.timeout", OPERATION, "", "the time that the step {*} has"),
    Row("steps.*.retries", OPERATION, "", "how often the step {*} is tried again"),
    Row("steps.*.resources", OPERATION, "", "the machine of the step {*}"),
    Row("steps.*.*", STEP, "", "what the step {*} does"),
    Row("x", WORDS, "", "notes of your own", other=SAFE),
    Row("project", WORDS, "", "what is said about the project", other=SAFE),
    Row("requirements", WORDS, "", "what is said about the requirements"),
)
"""Rows by route; the first of the most exact that fit counts. A row without `*` at its end counts for all below it as well."""


@cache
def _parts(pattern: str) -> tuple[str, ...]:
    return tuple(part for one in pattern.split(".") for part in (one.removesuffix("[]"), *(["[]"] if one.endswith("[]") else [])))


@cache
def _by_section() -> dict[str, list[Row]]:
    sections: dict[str, list[Row]] = {}
    for row in ROWS:
        sections.setdefault(_parts(row.route)[0], []).append(row)
    return sections


def exact(route: Route) -> Row | None:
    """Return the row for a route itself."""
    return next((row for row in _rows(route) if len(_parts(row.route)) == len(route)), None)


def deeper(route: Route) -> bool:
    """Whether there are rows for what stands inside a route."""
    inside = (_parts(row.route) for row in _by_section().get(str(route[0]), ()))
    return any(len(parts) > len(route) and _fits(parts[: len(route)], route) for parts in inside)


def find(route: Route) -> Row | None:
    """Return the row for a route: the one of its own, else that of the nearest part that it is in and that has one.

    A row about whether a part is "here" says nothing of what stands inside it.
    """
    fitting = [row for row in _rows(route) if len(_parts(row.route)) == len(route) or row.stricter != "here"]
    return max(fitting, key=lambda row: (len(_parts(row.route)), -_wild(row)), default=None)


def _rows(route: Route) -> list[Row]:
    """Return the rows whose pattern a route begins with, those with fewer wild parts first."""
    candidates = _by_section().get(str(route[0]), []) if route else []
    return sorted((row for row in candidates if _fits(_parts(row.route), route)), key=_wild)


def _wild(row: Row) -> int:
    return _parts(row.route).count("*")


def _fits(parts: tuple[str, ...], route: Route) -> bool:
    return len(parts) <= len(route) and all(
        part == "[]" if isinstance(one, int) else part in ("*", one) for part, one in zip(parts, route, strict=False)
    )


def stars(row: Row, route: Route) -> str:
    """Return the key of a route that stands for the first `*` of a row."""
    return next((str(one) for part, one in zip(_parts(row.route), route, strict=False) if part == "*"), "")
