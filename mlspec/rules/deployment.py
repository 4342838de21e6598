"""Rules about `deployment`: how a new model takes over, where it runs, and who may ask it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlspec.diagnostic import Change, Fix, Route
from mlspec.metrics import CATALOGUE
from mlspec.quantity import Bytes, Duration, Percent
from mlspec.rules._cadence import period, spoken
from mlspec.rules._case import Case
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule

if TYPE_CHECKING:
    from mlspec.spec.deployment import Deployment

PATTERN: Route = ("deployment", "pattern")
GRADUAL = {"shadow", "canary"}
ONE_MACHINE = {"local", "compose"}
RENAMED = {
    "ai platform": "Vertex AI",
    "google ai platform": "Vertex AI",
    "gcp ai platform": "Vertex AI",
    "cloud ml engine": "Vertex AI",
    "google cloud ml engine": "Vertex AI",
    "cognitive services": "Azure AI services",
    "azure cognitive services": "Azure AI services",
    "ibm watson studio": "IBM watsonx.ai",
    "watson studio": "IBM watsonx.ai",
}


def rollout(case: Case, kind: str) -> Any:
    """Return the rollout pattern where it is of this kind, else None."""
    deployment = case.project.deployment
    pattern: Any = deployment.pattern if deployment else None
    return pattern if pattern is not None and pattern.kind == kind else None


def answering(case: Case) -> Deployment | None:
    """Return the deployment where requests come to it: not a batch, and not a copy on each device."""
    deployment = case.project.deployment
    return deployment if deployment and deployment.serve != "batch" and deployment.environment != "edge" else None


@rule("DEP001", (None, None, WARNING), reads="deployment model")
def no_deployment(case: Case) -> Iterable[Hit]:
    """A project in production does not say how its model is deployed.

    ## Why this is bad
    Nobody can check, repeat or roll back a deployment that is written nowhere: the gap between lab and production is where most
    projects stop.

    ## Bad
    ```yaml
    deployment: null
    ```

    ## Good
    ```yaml
    deployment: {environment: cloud, target: kubernetes, serve: online}
    ```

    ## Fix safety
    None: only you know where the model runs.

    ## Source
    Guide, "Why MLOps Matters?": systematic deployment closes the lab-to-production gap.
    """
    if case.project.deployment is None and case.project.model is not None:
        yield Hit(
            "the phase is production, and `deployment` is missing",
            ("project", "phase"),
            help="add `deployment` with `environment`, `target`, `serve` and `pattern`, or write `phase: pilot`",
        )


@rule("DEP002", (None, INFO, WARNING), reads="deployment")
def big_bang_rollout(case: Case) -> Iterable[Hit]:
    """A new model takes all traffic at once, because no rollout pattern is chosen.

    ## Why this is bad
    A fault that the tests missed meets every user in the same second, and there is no old model to go back to.

    ## Bad
    ```yaml
    deployment: {pattern: null}
    ```

    ## Good
    ```yaml
    deployment: {pattern: {kind: canary, steps: [5 %, 25 %, 50 %, 100 %], hold: 1 h}}
    ```

    ## Fix safety
    Unsafe: the fix adds a canary of four steps of one hour; a rollout then takes three hours.

    ## Source
    Guide, "Production Best Practices: use canary or blue-green deployments" and the pitfall "No Rollback Plan".
    """
    deployment = answering(case)
    if deployment is not None and deployment.pattern is None and deployment.target != "local":
        canary = {"kind": "canary", "steps": ["5 %", "25 %", "50 %", "100 %"], "hold": "1 h"}
        yield Hit(
            "`pattern` is missing: a new model takes all traffic at once",
            ("deployment",),
            on="key",
            help="write `pattern: {kind: canary, steps: [5 %, 25 %, 50 %, 100 %], hold: 1 h}`",
            fix=Fix("roll out by a canary", (Change("set", PATTERN, canary),), safe=False),
        )


@rule("DEP003", (None, INFO, WARNING), reads="deployment")
def manual_rollback(case: Case) -> Iterable[Hit]:
    """A canary that goes wrong waits for a person.

    ## Why this is bad
    A canary is there to be taken back at once. By hand, the bad model answers until somebody has seen the alert and acted.

    ## Bad
    ```yaml
    deployment: {pattern: {rollback: manual}}
    ```

    ## Good
    ```yaml
    deployment: {pattern: {rollback: automatic}}
    ```

    ## Fix safety
    Unsafe: what watches the canary must be right, because it now acts.

    ## Source
    Guide, "Canary Deployment Process: roll back immediately if issues arise" and the pitfall "No Rollback Plan".
    """
    canary = rollout(case, "canary")
    if canary is not None and canary.rollback == "manual":
        route = (*PATTERN, "rollback")
        yield Hit(
            "nobody goes back until a person does it",
            route,
            help="write `rollback: automatic`",
            fix=Fix("roll back automatically", (Change("set", route, "automatic"),), safe=False),
        )


@rule("DEP004", (INFO, WARNING, WARNING), reads="deployment")
def canary_starts_too_wide(case: Case) -> Iterable[Hit]:
    """A canary starts with more than a tenth of the traffic.

    ## Why this is bad
    The first step is where most faults show, so it should reach few people: the guide says 5 to 10 %.

    ## Bad
    ```yaml
    deployment: {pattern: {steps: [30 %, 60 %, 100 %]}}
    ```

    ## Good
    ```yaml
    deployment: {pattern: {steps: [5 %, 30 %, 60 %, 100 %]}}
    ```

    ## Fix safety
    Unsafe: one step of 5 % is put before the others, so the rollout takes one `hold` longer.

    ## Source
    Guide, "Canary Deployment Process: deploy to small user subset (5-10%)".
    """
    canary = rollout(case, "canary")
    if canary is not None and canary.steps[0] > 0.10:
        route = (*PATTERN, "steps")
        longer = ["5 %", *map(str, canary.steps)]
        yield Hit(
            f"the first step is {canary.steps[0]} of the traffic; the guide starts with 5 to 10 %",
            (*route, 0),
            help=f"write `steps: [{', '.join(longer)}]`",
            fix=Fix("start with 5 %", (Change("set", route, longer),), safe=False),
        )


@rule("DEP005", (None, INFO, WARNING), reads="deployment")
def canary_jumps(case: Case) -> Iterable[Hit]:
    """A canary grows more than tenfold in one step.

    ## Why this is bad
    What breaks under load breaks when the load comes. A step that multiplies the traffic by more than ten shows it to
    everybody at once.

    ## Bad
    ```yaml
    deployment: {pattern: {steps: [5 %, 100 %]}}
    ```

    ## Good
    ```yaml
    deployment: {pattern: {steps: [5 %, 25 %, 100 %]}}
    ```

    ## Fix safety
    Unsafe: a step is put between, so the rollout takes one `hold` longer.

    ## Source
    Guide, "Canary Deployment Process: gradually increase traffic if successful".
    """
    canary = rollout(case, "canary")
    if canary is None:
        return
    for index, (low, high) in enumerate(zip(canary.steps, canary.steps[1:], strict=False), 1):
        if low > 0 and high / low > 10.001:
            middle = math.sqrt(low * high) * 100
            between = f"{5 * round(middle / 5) if middle >= 10 else max(1, round(middle))} %"
            steps = [*map(str, canary.steps[:index]), between, *map(str, canary.steps[index:])]
            yield Hit(
                f"the traffic grows {high / low:.3g} times in one step, from {low} to {high}",
                (*PATTERN, "steps", index),
                help=f"put {between} between them",
                related=(("the step before", (*PATTERN, "steps", index - 1)),),
                fix=Fix(f"add a step of {between}", (Change("set", (*PATTERN, "steps"), steps),), safe=False),
            )
            return


@rule("DEP006", WARNING, reads="deployment")
def canary_never_finishes(case: Case) -> Iterable[Hit]:
    """The last step of a canary leaves traffic on the old model.

    ## Why this is bad
    The rollout ends with two models in production, and users are treated differently by chance, for ever.

    ## Bad
    ```yaml
    deployment: {pattern: {steps: [5 %, 25 %, 50 %]}}
    ```

    ## Good
    ```yaml
    deployment: {pattern: {steps: [5 %, 25 %, 50 %, 100 %]}}
    ```

    ## Fix safety
    Unsafe: the new model then takes all traffic at the end.

    ## Source
    Guide, "Canary Deployment Process: gradually increase traffic if successful".
    """
    canary = rollout(case, "canary")
    if canary is not None and canary.steps[-1] < 1:
        route = (*PATTERN, "steps")
        yield Hit(
            f"the last step is {canary.steps[-1]}: {Percent(round(1 - canary.steps[-1], 10))} stay on the old model",
            (*route, len(canary.steps) - 1),
            help="end with `100 %`",
            fix=Fix("end with 100 %", (Change("set", route, [*map(str, canary.steps), "100 %"]),), safe=False),
        )


@rule("DEP007", (None, WARNING, WARNING), reads="deployment requirements")
def canary_without_target(case: Case) -> Iterable[Hit]:
    """A canary is watched, and there is no number that it could miss.

    ## Why this is bad
    A canary rolls back when a target of the service is missed. Without latency, error rate or availability it always succeeds.

    ## Bad
    ```yaml
    requirements: {service: {latency_p95: null, error_rate: null, availability: null}}
    ```

    ## Good
    ```yaml
    requirements: {service: {latency_p95: 50 ms, error_rate: 0.1 %}}
    ```

    ## Fix safety
    None: only you know what the service must hold.

    ## Source
    Guide, "Canary Deployment Process: monitor key metrics closely".
    """
    canary, service = rollout(case, "canary"), case.project.requirements.service
    watched = ("latency_p50", "latency_p95", "latency_p99", "error_rate", "availability")
    if canary is not None and all(service is None or getattr(service, name) is None for name in watched):
        yield Hit(
            "nothing says when the canary has failed: no latency, no error rate, no availability is required",
            (*PATTERN, "kind"),
            help="add for instance `requirements.service: {latency_p95: 100 ms, error_rate: 0.1 %}`",
        )


@rule("DEP008", (INFO, WARNING, WARNING), reads="deployment")
def shadow_without_exit(case: Case) -> Iterable[Hit]:
    """A shadow ends, and nothing says what must hold then.

    ## Why this is bad
    A shadow costs a second service. Without a condition fixed before it starts, its end is a debate, and any result is good
    enough.

    ## Bad
    ```yaml
    deployment: {pattern: {kind: shadow, steps: null, hold: null, rollback: null, duration: 14 d}}
    ```

    ## Good
    ```yaml
    deployment: {pattern: {kind: shadow, steps: null, hold: null, rollback: null, duration: 14 d, exit: "agreement >= 95 %"}}
    ```

    ## Fix safety
    None: only you know what agreement is enough.

    ## Source
    Guide, "Shadow Mode Deployment: collect performance data for validation".
    """
    shadow = rollout(case, "shadow")
    if shadow is not None and not shadow.exit:
        yield Hit(
            f"nothing says what must hold after {shadow.duration} in the shadow",
            PATTERN,
            on="key",
            help="write `exit`, such as `exit: agreement >= 95 %`",
        )


@rule("DEP009", (INFO, WARNING, WARNING), reads="deployment monitoring")
def shadow_too_short(case: Case) -> Iterable[Hit]:
    """A shadow ends before it has seen a whole day, or a whole week where drift is expected to recur.

    ## Why this is bad
    Traffic at night is not traffic at noon. A shadow of a few hours says nothing about the hours it did not see.

    ## Bad
    ```yaml
    deployment: {pattern: {kind: shadow, steps: null, hold: null, rollback: null, duration: 4 h, exit: "agreement >= 95 %"}}
    ```

    ## Good
    ```yaml
    deployment: {pattern: {kind: shadow, steps: null, hold: null, rollback: null, duration: 7 d, exit: "agreement >= 95 %"}}
    ```

    ## Fix safety
    Unsafe: the shadow, and its cost, last longer.

    ## Source
    Guide, "Shadow Mode Deployment" and "Concept Drift Patterns: recurring, weekly patterns in web traffic".
    """
    shadow, monitoring = rollout(case, "shadow"), case.project.monitoring
    if shadow is None:
        return
    concept = monitoring.concept_drift if monitoring else None
    cycle, name = (604_800, "week") if concept and "recurring" in concept.expected else (86_400, "day")
    if shadow.duration < cycle:
        route = (*PATTERN, "duration")
        yield Hit(
            f"the shadow lasts {shadow.duration} and does not see a whole {name}",
            route,
            help=f"write `duration: {Duration(cycle)}` or more; a week shows a weekend, too",
            fix=Fix("see a whole week", (Change("set", route, "7 d"),), safe=False),
        )


@rule("DEP010", WARNING, reads="deployment data")
def shadow_ends_before_the_truth(case: Case) -> Iterable[Hit]:
    """A shadow is to be judged by a metric that needs labels, and ends before the first label is known.

    ## Why this is bad
    The condition can never be computed: at the end there is not one prediction whose truth is known.

    ## Bad
    ```yaml
    deployment: {pattern: {kind: shadow, steps: null, hold: null, rollback: null, duration: 7 d, exit: "recall >= 70 %"}}
    data: {labels: {delay: 14 d}}
    ```

    ## Good
    ```yaml
    deployment: {pattern: {kind: shadow, steps: null, hold: null, rollback: null, duration: 7 d, exit: "agreement >= 95 %"}}
    data: {labels: {delay: 14 d}}
    ```

    ## Fix safety
    None: a longer shadow and a condition without labels both help.

    ## Source
    Guide, "Feedback Loop Issues: delayed feedback".
    """
    shadow, data = rollout(case, "shadow"), case.project.data
    delay = data.labels.delay if data and data.labels else None
    if shadow is None or not shadow.exit or delay is None or delay < shadow.duration:
        return
    words = "".join(letter if letter.isalnum() or letter == "_" else " " for letter in shadow.exit.lower()).split()
    metric = next((word for word in words if word in CATALOGUE), None)
    if metric is not None:
        yield Hit(
            f"`{metric}` needs labels; the first one comes after {delay}, and the shadow ends after {shadow.duration}",
            (*PATTERN, "exit"),
            help=f"write a `duration` well above {delay}, or compare answers: `agreement >= 95 %`",
            related=(("labels come this late", ("data", "labels", "delay")),),
        )


@rule("DEP011", (None, INFO, WARNING), reads="deployment requirements data")
def shadow_beside_nobody(case: Case) -> Iterable[Hit]:
    """A shadow is compared with people, and nothing in the spec has people decide.

    ## Why this is bad
    Where no person decides or labels, there are no decisions to compare with, and the shadow measures nothing.

    ## Bad
    ```yaml
    requirements: {automation: {level: full, accept_above: null, review: null}, criticality: low, error_cost: low}
    deployment:
      pattern: {kind: shadow, steps: null, hold: null, rollback: null, duration: 7 d, exit: agreement >= 95%, compare_with: human}
    ```

    ## Good
    ```yaml
    requirements: {automation: {level: human_in_the_loop, accept_above: null}}
    deployment:
      pattern: {kind: shadow, steps: null, hold: null, rollback: null, duration: 7 d, exit: agreement >= 95%, compare_with: human}
    ```

    ## Fix safety
    None: either people decide, or the present model is compared with.

    ## Source
    Guide, "Shadow Mode Deployment: compare model predictions with human decisions".
    """
    shadow, automation, data = rollout(case, "shadow"), case.project.requirements.automation, case.project.data
    people = automation is not None and (automation.level == "human_in_the_loop" or automation.review is not None)
    labelled = bool(data and data.labels and data.labels.annotators)
    if shadow is not None and shadow.compare_with == "human" and not people and not labelled:
        yield Hit(
            "no person decides here: there is no review, no human in the loop and no annotator",
            (*PATTERN, "compare_with"),
            help="write `compare_with: current`, or say who decides in `requirements.automation`",
        )


@rule("DEP012", (INFO, WARNING, WARNING), reads="deployment")
def blue_green_without_hold(case: Case) -> Iterable[Hit]:
    """After a blue-green switch the old model is gone before anybody could want it back.

    ## Why this is bad
    The way back is instant only as long as the old model stands. Faults are seldom seen in the first quarter of an hour.

    ## Bad
    ```yaml
    deployment: {pattern: {kind: blue_green, steps: null, rollback: null, hold: 0 s, smoke: ./smoke.sh}}
    ```

    ## Good
    ```yaml
    deployment: {pattern: {kind: blue_green, steps: null, rollback: null, hold: 1 h, smoke: ./smoke.sh}}
    ```

    ## Fix safety
    Unsafe: both models stand, and cost, for an hour.

    ## Source
    Guide, "Blue-Green Deployment: keep Blue environment for quick rollback".
    """
    pattern = rollout(case, "blue_green")
    if pattern is not None and pattern.hold < 900:
        route = (*PATTERN, "hold")
        kept = f"is kept for {pattern.hold}" if pattern.hold else "is removed at once"
        yield Hit(
            f"after the switch the old model {kept}",
            route,
            help="write `hold: 1 h` or more",
            fix=Fix("keep the old model for an hour", (Change("set", route, "1 h"),), safe=False),
        )


@rule("DEP013", (INFO, WARNING, WARNING), reads="deployment")
def blue_green_without_smoke(case: Case) -> Iterable[Hit]:
    """All traffic switches by itself to a model that nothing has tried.

    ## Why this is bad
    Blue-green has no small first step: if the new service does not even start properly, every request finds that out.

    ## Bad
    ```yaml
    deployment: {pattern: {kind: blue_green, steps: null, rollback: null, hold: 1 h, promote: automatic}}
    ```

    ## Good
    ```yaml
    deployment: {pattern: {kind: blue_green, steps: null, rollback: null, hold: 1 h, promote: automatic, smoke: ./smoke.sh}}
    ```

    ## Fix safety
    None: only you have the command.

    ## Source
    Guide, "Blue-Green Deployment: switch traffic completely when ready" and "Pre-Production Checklist: integration testing".
    """
    pattern = rollout(case, "blue_green")
    if pattern is not None and pattern.promote == "automatic" and not pattern.smoke:
        yield Hit(
            "all traffic switches by itself, and nothing tries the new service first",
            (*PATTERN, "promote"),
            help="write `smoke` with a command that must succeed, or `promote: manual`",
        )


@rule("DEP014", INFO, reads="deployment hardware")
def blue_green_doubles_capacity(case: Case) -> Iterable[Hit]:
    """For a long time, or with accelerators, a blue-green rollout needs every machine twice.

    ## Why this is bad
    Both services stand complete until `hold` is over. If the second half of the machines is not there, nothing can switch.

    ## Bad
    ```yaml
    deployment: {pattern: {kind: blue_green, steps: null, rollback: null, hold: 7 d, smoke: ./smoke.sh}}
    ```

    ## Good
    ```yaml
    deployment: {pattern: {kind: blue_green, steps: null, rollback: null, hold: 4 h, smoke: ./smoke.sh}}
    ```

    ## Fix safety
    None: it is a matter of cost.

    ## Source
    Guide, "Blue-Green Deployment: run old (Blue) and new (Green) versions simultaneously".
    """
    pattern, deployment, serving = rollout(case, "blue_green"), case.project.deployment, case.project.hardware.serving
    if pattern is None or deployment is None or deployment.scale is None:
        return
    accelerator = serving.accelerator if serving else None
    if pattern.hold <= 86_400 and accelerator is None:
        return
    replicas = deployment.scale.max
    what = f"{2 * replicas} replicas"
    if serving and serving.memory:
        what += f" with {Bytes(2 * replicas * serving.memory)} of memory"
    if accelerator:
        what += f" and {2 * replicas} of `{accelerator}`"
    yield Hit(
        f"for {pattern.hold} both models stand: up to {what}",
        (*PATTERN, "hold"),
        help="shorten `hold`, or use a canary, which needs little more than one set of machines",
        related=(("this many replicas", ("deployment", "scale")),),
    )


@rule("DEP015", (INFO, WARNING, WARNING), reads="deployment")
def rolling_leaves_no_replica(case: Case) -> Iterable[Hit]:
    """During a rolling update there may be no replica that answers.

    ## Why this is bad
    Kubernetes takes the allowed share away before the new replicas are ready. With few replicas that can be all of them.

    ## Bad
    ```yaml
    deployment:
      scale: {min: 2, max: 4}
      pattern: {kind: rolling, steps: null, hold: null, rollback: null, max_unavailable: 100 %}
    ```

    ## Good
    ```yaml
    deployment:
      scale: {min: 2, max: 4}
      pattern: {kind: rolling, steps: null, hold: null, rollback: null, max_unavailable: 0 %, max_surge: 50 %}
    ```

    ## Fix safety
    Unsafe: with `max_unavailable: 0 %` an update needs room for one more replica.

    ## Source
    Guide, "Deployment Patterns: rolling". Kubernetes rounds the unavailable share down and the surge up, and takes one replica
    away where both come to nothing: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
    """
    pattern, deployment = rollout(case, "rolling"), case.project.deployment
    if pattern is None or deployment is None or deployment.scale is None or not deployment.scale.min or _stuck(pattern):
        return
    fewest = deployment.scale.min
    gone = max(math.floor(fewest * pattern.max_unavailable + 1e-9), 0 if pattern.max_surge > 0 else 1)
    if gone >= fewest:
        route = (*PATTERN, "max_unavailable")
        changes = [Change("set", route, "0 %")]
        if pattern.max_surge == 0:
            changes.append(Change("set", (*PATTERN, "max_surge"), "25 %"))
        yield Hit(
            f"with {fewest} {'replica' if fewest == 1 else 'replicas'}, an update takes {gone} away: none is left to answer",
            route if case.wrote(*route) else PATTERN,
            on="value" if case.wrote(*route) else "key",
            help="write `max_unavailable: 0 %` and `max_surge: 25 %`, or keep more replicas",
            related=(("the fewest replicas", ("deployment", "scale", "min")),),
            fix=Fix("keep every replica until another is ready", tuple(changes), safe=False),
        )


def _stuck(pattern: Any) -> bool:
    return bool(pattern.max_surge == 0 and pattern.max_unavailable == 0)


@rule("DEP016", ERROR, reads="deployment")
def rolling_cannot_move(case: Case) -> Iterable[Hit]:
    """A rolling update may neither add a replica nor take one away.

    ## Why this is bad
    Then no replica can be replaced: Kubernetes refuses such a deployment.

    ## Bad
    ```yaml
    deployment: {pattern: {kind: rolling, steps: null, hold: null, rollback: null, max_surge: 0 %, max_unavailable: 0 %}}
    ```

    ## Good
    ```yaml
    deployment: {pattern: {kind: rolling, steps: null, hold: null, rollback: null, max_surge: 25 %, max_unavailable: 0 %}}
    ```

    ## Fix safety
    Unsafe: an update needs room for a quarter more replicas.

    ## Source
    The API of Kubernetes: `maxUnavailable` may not be 0 where `maxSurge` is 0
    (https://kubernetes.io/docs/concepts/workloads/controllers/deployment/).
    """
    pattern = rollout(case, "rolling")
    if pattern is not None and _stuck(pattern):
        route = (*PATTERN, "max_surge")
        yield Hit(
            "with `max_surge` and `max_unavailable` at 0 % no replica can be replaced",
            route,
            help="write `max_surge: 25 %`",
            fix=Fix("allow a surge of 25 %", (Change("set", route, "25 %"),), safe=False),
        )


@rule("DEP017", (None, INFO, WARNING), reads="deployment requirements")
def rollout_too_risky(case: Case) -> Iterable[Hit]:
    """Much hangs on one decision, and the rollout pattern is not one of low risk.

    ## Why this is bad
    Blue-green and rolling updates put the new model before everybody within minutes. Where a decision is critical, a shadow or a
    canary shows the fault to nobody, or to few.

    ## Bad
    ```yaml
    requirements: {criticality: high, automation: {level: human_in_the_loop, accept_above: null}}
    deployment: {pattern: {kind: rolling, steps: null, hold: null, rollback: null}}
    ```

    ## Good
    ```yaml
    requirements: {criticality: high, automation: {level: human_in_the_loop, accept_above: null}}
    deployment: {pattern: {kind: canary, steps: [5 %, 25 %, 50 %, 100 %], hold: 1 h, rollback: automatic}}
    ```

    ## Fix safety
    None: another pattern needs other machinery.

    ## Source
    Guide, "Deployment Patterns: pattern comparison" (shadow: very low risk, canary: low, blue-green and rolling: medium).
    """
    deployment, wanted = case.project.deployment, case.project.requirements
    pattern = deployment.pattern if deployment else None
    if pattern is not None and pattern.kind in ("rolling", "blue_green") and wanted.criticality == "high":
        yield Hit(
            f"a {pattern.kind.replace('_', '-')} rollout is of medium risk, and the criticality is high",
            (*PATTERN, "kind"),
            help="write `kind: shadow` or `kind: canary`",
            related=(("how much hangs on a decision", ("requirements", "criticality")),),
        )


@rule("DEP018", WARNING, reads="deployment")
def canary_of_a_batch(case: Case) -> Iterable[Hit]:
    """A model that answers in batches is rolled out by shares of traffic.

    ## Why this is bad
    A batch job has no requests to divide: nothing can send 5 % of them to the new model and watch.

    ## Bad
    ```yaml
    requirements: {service: {latency_p95: null}}
    monitoring: {data_drift: {window: 7 d}}
    deployment: {serve: batch}
    ```

    ## Good
    ```yaml
    requirements: {service: {latency_p95: null}}
    monitoring: {data_drift: {window: 7 d}}
    deployment:
      serve: batch
      pattern: {kind: shadow, steps: null, hold: null, rollback: null, duration: 7 d, exit: "agreement >= 95 %"}
    ```

    ## Fix safety
    None: either the way of serving or the pattern is not meant.

    ## Source
    Guide, "Deployment Decision Tree: batch processing" and "Canary Deployment Process".
    """
    canary, deployment = rollout(case, "canary"), case.project.deployment
    if canary is not None and deployment is not None and deployment.serve == "batch":
        yield Hit(
            "a batch has no traffic that a canary could divide",
            (*PATTERN, "kind"),
            help="write `kind: shadow`: both models score the batch, and their answers are compared",
            related=(("answers come in batches", ("deployment", "serve")),),
        )


@rule("DEP019", (INFO, WARNING, WARNING), reads="deployment exports")
def edge_without_export(case: Case) -> Iterable[Hit]:
    """The model is to run at the edge, and is exported to no format for the edge.

    ## Why this is bad
    The trained model is a Python object: without an export a device needs Python and scikit-learn, about 165 MB of memory.

    ## Bad
    ```yaml
    deployment: {environment: edge, target: local}
    ```

    ## Good
    ```yaml
    deployment: {environment: edge, target: local}
    exports: [{kind: onnx, max_size: 5 MB}]
    ```

    ## Fix safety
    None: the format depends on the device.

    ## Source
    Guide, "Deployment Decision Tree: model compression, edge optimization". Measured: peak memory of one prediction is 165 MB in
    scikit-learn, 57 MB in ONNX Runtime and 41 MB in LiteRT.
    """
    deployment = case.project.deployment
    if (
        deployment is not None
        and deployment.environment == "edge"
        and not case.project.exports
        and case.project.model is not None
    ):
        yield Hit(
            "the environment is the edge, and `exports` is empty",
            ("deployment", "environment"),
            help="add `exports` with `kind: onnx`, `tflite`, `openvino` or `c`, as the device asks",
        )


@rule("DEP020", INFO, reads="deployment")
def edge_on_a_cluster(case: Case) -> Iterable[Hit]:
    """The model runs at the edge, and the target is a cluster.

    ## Why this is bad
    Devices at the edge seldom carry a cluster: it takes more memory than most models, and it expects a network that stays.

    ## Bad
    ```yaml
    deployment: {environment: edge, target: kserve}
    exports: [{kind: onnx}]
    ```

    ## Good
    ```yaml
    deployment: {environment: edge, target: local}
    exports: [{kind: onnx}]
    ```

    ## Fix safety
    Unsafe: `target: local` is another way to start the service.

    ## Source
    Guide, "Environment Comparison: edge has limited resources, offline capable".
    """
    deployment = case.project.deployment
    if deployment is not None and deployment.environment == "edge" and deployment.target in ("kubernetes", "kserve"):
        route = ("deployment", "target")
        yield Hit(
            f"`{deployment.target}` on each device is a cluster to run beside the model",
            route,
            help="write `target: local` or `compose`, or `environment: cloud` if the cluster is not at the edge",
            fix=Fix("run without a cluster", (Change("set", route, "local"),), safe=False),
        )


@rule("DEP021", INFO, reads="deployment project")
def hybrid_for_a_startup(case: Case) -> Iterable[Hit]:
    """A startup runs its service in two environments.

    ## Why this is bad
    A hybrid environment is managed twice: two networks, two sets of credentials, two ways to fail. The guide keeps it for
    large enterprises.

    ## Bad
    ```yaml
    project: {profile: startup}
    deployment: {environment: hybrid}
    ```

    ## Good
    ```yaml
    project: {profile: startup}
    deployment: {environment: cloud}
    ```

    ## Fix safety
    None: it is a matter of means.

    ## Source
    Guide, "Environment Comparison: hybrid, complex management, best for large enterprises".
    """
    deployment = case.project.deployment
    if deployment is not None and deployment.environment == "hybrid" and case.project.project.profile == "startup":
        yield Hit(
            "a hybrid environment is managed twice; the guide keeps it for large enterprises",
            ("deployment", "environment"),
            help="write `environment: cloud`, or `on_premises` for sensitive data",
            related=(("the profile", ("project", "profile")),),
        )


@rule("DEP022", (None, INFO, WARNING), reads="deployment retraining")
def rollout_slower_than_retraining(case: Case) -> Iterable[Hit]:
    """The next model comes before the last one has been rolled out.

    ## Why this is bad
    Two rollouts meet: either models queue up, or each is cut short and no model is ever watched as long as was planned.

    ## Bad
    ```yaml
    deployment: {pattern: {steps: [5 %, 25 %, 50 %, 100 %], hold: 3 d}}
    retraining: {schedule: weekly}
    ```

    ## Good
    ```yaml
    deployment: {pattern: {steps: [5 %, 25 %, 50 %, 100 %], hold: 1 d}}
    retraining: {schedule: weekly}
    ```

    ## Fix safety
    None: a shorter rollout and a rarer retraining both help.

    ## Source
    Guide, "Canary Deployment Process" and "Maintenance Types: scheduled, weekly or monthly".
    """
    retraining, deployment = case.project.retraining, case.project.deployment
    pattern: Any = deployment.pattern if deployment else None
    if pattern is None or retraining is None or retraining.schedule is None:
        return
    key, length = _length(pattern)
    every = period(retraining.schedule)
    if length > every * 1.01:
        route = (*PATTERN, key)
        yield Hit(
            f"a rollout takes {spoken(length)}, and a new model comes every {spoken(every)}",
            route if case.wrote(*route) else PATTERN,
            on="value" if case.wrote(*route) else "key",
            help=f"shorten `{key}`, or retrain less often than every {spoken(length)}",
            related=(("retraining starts this often", ("retraining", "schedule")),),
        )


def _length(pattern: Any) -> tuple[str, float]:
    """Return the key that decides how long a rollout takes, and how long that is."""
    if pattern.kind == "canary":
        return "hold", pattern.hold * sum(1 for share in pattern.steps if share < 1)
    if pattern.kind == "shadow":
        return "duration", pattern.duration
    return "hold", getattr(pattern, "hold", 0.0)


@rule("DEP023", INFO, reads="deployment")
def platform_renamed(case: Case) -> Iterable[Hit]:
    """A platform is called by a name it no longer has.

    ## Why this is bad
    Who looks for the old name finds old documentation, for interfaces that have been switched off or replaced.

    ## Bad
    ```yaml
    deployment: {platform: AI Platform}
    ```

    ## Good
    ```yaml
    deployment: {platform: Vertex AI}
    ```

    ## Fix safety
    Safe: nothing but the name changes.

    ## Source
    Guide, "Cloud Platforms" names AI Platform and Cognitive Services: the first became part of Vertex AI in 2021, the second was
    renamed Azure AI services in 2023; Watson Studio is now part of watsonx.ai.
    """
    deployment = case.project.deployment
    name = deployment.platform if deployment else None
    now = RENAMED.get(" ".join(name.lower().replace("_", " ").replace("-", " ").split())) if name else None
    if now is not None:
        route = ("deployment", "platform")
        yield Hit(
            f"`{name}` is called {now} today",
            route,
            help=f"write `platform: {now}`",
            fix=Fix(f"write {now}", (Change("set", route, now),)),
        )


@rule("DEP024", (None, INFO, WARNING), reads="deployment requirements")
def single_machine_availability(case: Case) -> Iterable[Hit]:
    """A service on one machine promises an availability that one machine seldom has.

    ## Why this is bad
    `local` and `compose` run on one machine. Every restart, update and power cut of it counts against the promise.

    ## Bad
    ```yaml
    deployment: {target: compose, scale: null}
    requirements: {service: {availability: 99.9 %}}
    ```

    ## Good
    ```yaml
    deployment: {target: kubernetes}
    requirements: {service: {availability: 99.9 %}}
    ```

    ## Fix safety
    None: a cluster is no small change.

    ## Source
    Guide, "Deployment Decision Tree: high availability required? Load balancing, redundancy".
    """
    deployment, service = answering(case), case.project.requirements.service
    availability = service.availability if service else None
    if deployment is None or availability is None or deployment.target not in ONE_MACHINE or not 0.999 <= availability < 1:
        return
    route = ("deployment", "target")
    yield Hit(
        f"{availability} leaves {spoken((1 - availability) * 31_557_600 / 12)} a month for all faults of one machine",
        route if case.wrote(*route) else route[:1],
        on="value" if case.wrote(*route) else "key",
        help="write `target: kubernetes` with `scale: {min: 2}`, or promise 99 %",
        related=(("the promise", ("requirements", "service", "availability")),),
    )


@rule("DEP025", (INFO, WARNING, WARNING), reads="deployment")
def no_autoscaler(case: Case) -> Iterable[Hit]:
    """The number of replicas may vary, and nothing at this target varies it.

    ## Why this is bad
    Docker Compose and a local process keep the number they are started with: `max` is never reached, whatever the load.

    ## Bad
    ```yaml
    deployment: {target: compose, scale: {min: 2, max: 10}}
    requirements: {service: {availability: 99 %}}
    ```

    ## Good
    ```yaml
    deployment: {target: kubernetes, scale: {min: 2, max: 10}}
    ```

    ## Fix safety
    None: either the target or the range is not meant.

    ## Source
    Guide, "Cost Optimization: autoscaling". The Compose specification has `deploy.replicas`, one number
    (https://docs.docker.com/reference/compose-file/deploy/).
    """
    deployment = case.project.deployment
    if deployment is None or deployment.scale is None or deployment.environment == "edge":
        return
    if deployment.target in ONE_MACHINE and deployment.scale.min < deployment.scale.max:
        yield Hit(
            f"`{deployment.target}` keeps the number of replicas; {deployment.scale.max} are never started",
            ("deployment", "scale", "max"),
            help=f"write `target: kubernetes`, or `max: {max(1, deployment.scale.min)}`",
            related=(("the target", ("deployment", "target")),) if case.wrote("deployment", "target") else (),
        )


@rule("DEP026", (WARNING, WARNING, ERROR), reads="deployment")
def service_open_to_anybody(case: Case) -> Iterable[Hit]:
    """Anybody may connect to the service, and nobody has to say who they are.

    ## Why this is bad
    An open model can be copied by asking it often enough, flooded, and searched for what it knows of people.

    ## Bad
    ```yaml
    deployment: {security: {authentication: none, network: open}}
    ```

    ## Good
    ```yaml
    deployment: {security: {authentication: mutual_tls, network: open}}
    ```

    ## Fix safety
    Unsafe: who asks without a token is refused from then on.

    ## Source
    Guide, "Security: encryption, access control; network security". Tramèr et al. (2016), Stealing Machine Learning Models via
    Prediction APIs.
    """
    security = case.project.deployment.security if case.project.deployment else None
    if security is not None and security.authentication == "none" and security.network == "open":
        route = ("deployment", "security", "authentication")
        changes = (Change("set", route, "token"), Change("set", ("deployment", "security", "network"), "restricted"))
        yield Hit(
            "the network is open and there is no authentication: anybody may ask",
            route,
            help="write `authentication: token` and `network: restricted`; a service for the public needs a gateway before it",
            related=(("the network", ("deployment", "security", "network")),),
            fix=Fix("ask for a token, in a restricted network", changes, safe=False),
        )


@rule("DEP027", (None, INFO, WARNING), reads="deployment")
def no_authentication(case: Case) -> Iterable[Hit]:
    """Inside a restricted network the service does not ask who is asking.

    ## Why this is bad
    A network boundary falls with its weakest machine, and without names nobody can say afterwards who asked what.

    ## Bad
    ```yaml
    deployment: {security: {authentication: none, network: restricted}}
    ```

    ## Good
    ```yaml
    deployment: {security: {authentication: mutual_tls, network: restricted}}
    ```

    ## Fix safety
    Unsafe: who asks without a token is refused from then on.

    ## Source
    Guide, "Security: access control; regular audits".
    """
    deployment = answering(case)
    security = deployment.security if deployment and deployment.target != "local" else None
    if security is not None and security.authentication == "none" and security.network == "restricted":
        route = ("deployment", "security", "authentication")
        yield Hit(
            "the service does not ask who is asking",
            route,
            help="write `authentication: token` or `mutual_tls`",
            fix=Fix("ask for a token", (Change("set", route, "token"),), safe=False),
        )


@rule("DEP028", (None, INFO, WARNING), reads="deployment")
def security_not_said(case: Case) -> Iterable[Hit]:
    """Nothing says who may ask the service.

    ## Why this is bad
    The security review has nothing to look at: not who may connect, not how they prove who they are.

    ## Bad
    ```yaml
    deployment: {security: null}
    ```

    ## Good
    ```yaml
    deployment: {security: {authentication: token, network: restricted}}
    ```

    ## Fix safety
    Unsafe: who asks without a token, or from outside, is refused from then on.

    ## Source
    Guide, "Pre-Deployment Checklist: security review passed".
    """
    deployment = answering(case)
    if deployment is not None and deployment.security is None and deployment.target != "local":
        value = {"authentication": "token", "network": "restricted"}
        yield Hit(
            "`security` is missing: nothing says who may ask",
            ("deployment",),
            on="key",
            help="write `security: {authentication: token, network: restricted}`",
            fix=Fix("ask for a token, in a restricted network", (Change("set", ("deployment", "security"), value),), safe=False),
        )
