"""Rules about the service's promises, and whether what is deployed can keep them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mlspec.diagnostic import Change, Fix, Route
from mlspec.quantity import Duration, Rate
from mlspec.rules._cadence import counted, spoken
from mlspec.rules._case import Case
from mlspec.rules._families import classical
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule

if TYPE_CHECKING:
    from mlspec.spec.demands import Service
    from mlspec.spec.deployment import Deployment

SERVICE: Route = ("requirements", "service")
SCALE: Route = ("deployment", "scale")
LATENCIES = ("latency_p50", "latency_p95", "latency_p99")
MONTH = 31_557_600 / 12
REAL_TIME = 0.1
"""The guide's limit for real-time answers, in seconds."""
COST_MS = {
    "sklearn.logistic_regression": 0.08,
    "sklearn.naive_bayes": 0.11,
    "sklearn.mlp": 0.07,
    "sklearn.k_neighbors": 0.28,
    "sklearn.hist_gradient_boosting": 0.5,
    "sklearn.random_forest": 3.3,
    "sklearn.extra_trees": 3.3,
    "lightgbm": 0.28,
    "xgboost": 0.13,
}
"""CPU time of one prediction of one row by scikit-learn 1.9, LightGBM 4.7 and XGBoost 3.2, in ms, without the service around it;
forests and boosting of 100 trees."""
SMALLEST = 165_000_000
"""Peak memory of a process that loads scikit-learn and predicts, in bytes."""


def _promises(case: Case) -> Service | None:
    return case.project.requirements.service


def _online(case: Case) -> Deployment | None:
    """Return the deployment where a request is answered while somebody waits."""
    deployment = case.project.deployment
    return deployment if deployment and deployment.serve != "batch" and not deployment.asynchronous else None


def _latencies(case: Case) -> Iterator[tuple[str, Duration]]:
    service = _promises(case)
    for name in LATENCIES:
        value = getattr(service, name, None)
        if value is not None:
            yield name, value


@rule("SRV001", (INFO, WARNING, WARNING), reads="deployment requirements")
def high_availability_one_replica(case: Case) -> Iterable[Hit]:
    """A high availability is promised, and one replica is to keep it.

    ## Why this is bad
    Whenever the one replica restarts, moves to another machine or is replaced, nobody answers: all of that must fit into the
    time that the promise leaves.

    ## Bad
    ```yaml
    deployment: {scale: {min: 1, max: 10}}
    requirements: {service: {availability: 99.9 %}}
    ```

    ## Good
    ```yaml
    deployment: {scale: {min: 2, max: 10}}
    requirements: {service: {availability: 99.9 %}}
    ```

    ## Fix safety
    Unsafe: a second replica costs as much as the first.

    ## Source
    Guide, "Deployment Decision Tree: high availability required? Load balancing, redundancy".
    """
    deployment, service = case.project.deployment, _promises(case)
    availability = service.availability if service else None
    if deployment is None or deployment.serve == "batch" or deployment.environment == "edge" or deployment.scale is None:
        return
    fewest = deployment.scale.min
    if availability is None or availability < 0.999 or fewest > 1:
        return
    left = spoken((1 - availability) * MONTH)
    changes = [Change("set", (*SCALE, "min"), 2)]
    if deployment.scale.max < 2:
        changes.append(Change("set", (*SCALE, "max"), 2))
    yield Hit(
        f"{availability} leaves {left} a month, and there may be {'only one' if fewest else 'no'} replica",
        (*SCALE, "min"),
        help="write `min: 2`: two that are there 99 % of the time, independently, make 99.99 % together",
        related=(("the promise", (*SERVICE, "availability")),),
        fix=Fix("keep two replicas", tuple(changes), safe=False),
    )


@rule("SRV002", INFO, reads="deployment requirements")
def no_room_to_grow(case: Case) -> Iterable[Hit]:
    """A throughput is promised, and the number of replicas is fixed.

    ## Why this is bad
    A cluster could add replicas when the load comes and take them away after it. A fixed number is too small or too dear.

    ## Bad
    ```yaml
    deployment: {scale: {min: 4, max: 4}}
    ```

    ## Good
    ```yaml
    deployment: {scale: {min: 2, max: 8}}
    ```

    ## Fix safety
    None: the range is a matter of load and cost.

    ## Source
    Guide, "Cost Optimization: autoscaling saves 30-50 %".
    """
    deployment, service = _online(case), _promises(case)
    if deployment is None or deployment.scale is None or service is None or service.throughput is None:
        return
    scale = deployment.scale
    if scale.min == scale.max and deployment.target in ("kubernetes", "kserve"):
        yield Hit(
            f"there are {scale.min} replicas at any load; {service.throughput} is promised",
            (*SCALE, "max"),
            help=f"write for instance `max: {2 * scale.max}`",
            related=(("the promise", (*SERVICE, "throughput")),),
        )


@rule("SRV003", WARNING, reads="deployment requirements")
def batch_with_latency_target(case: Case) -> Iterable[Hit]:
    """A latency is promised, and answers come in batches.

    ## Why this is bad
    Nobody waits for one answer of a batch, so nothing can measure the promise. If somebody does wait, it is no batch.

    ## Bad
    ```yaml
    deployment: {serve: batch, pattern: null}
    requirements: {service: {latency_p95: 50 ms}}
    ```

    ## Good
    ```yaml
    deployment: {serve: online}
    requirements: {service: {latency_p95: 50 ms}}
    ```

    ## Fix safety
    None: either `serve` or the latency is not meant.

    ## Source
    Guide, "Deployment Decision Tree: real-time predictions needed? Yes: online serving; no: batch processing".
    """
    deployment = case.project.deployment
    first = next(iter(_latencies(case)), None)
    if deployment is not None and deployment.serve == "batch" and first is not None:
        yield Hit(
            f"`{first[0]}` promises an answer in {first[1]}, and answers come in batches",
            ("deployment", "serve"),
            help=f"write `serve: online`, or remove `{first[0]}`",
            related=(("the promise", (*SERVICE, first[0])),),
        )


@rule("SRV004", INFO, reads="deployment data")
def stream_served_as_batch(case: Case) -> Iterable[Hit]:
    """Rows come as a stream, and answers come in batches.

    ## Why this is bad
    A row that arrived a second after the batch waits for the next one. Where events matter when they happen, that is too late.

    ## Bad
    ```yaml
    data:
      sources:
        customers: null
        events: {kind: kafka, brokers: "kafka:9092", topic: events, window: 1 d}
    deployment: {serve: batch, pattern: null}
    requirements: {service: {latency_p95: null}}
    ```

    ## Good
    ```yaml
    data:
      sources:
        customers: null
        events: {kind: kafka, brokers: "kafka:9092", topic: events, window: 1 d}
    deployment: {serve: stream}
    ```

    ## Fix safety
    None: a nightly batch over a stream can be what is wanted.

    ## Source
    Guide, "Deployment Decision Tree: online serving (API, streaming)".
    """
    deployment, data = case.project.deployment, case.project.data
    if deployment is None or data is None or deployment.serve != "batch":
        return
    stream = next((name for name, source in data.sources.items() if source.kind in ("kafka", "kinesis")), None)
    if stream is not None:
        yield Hit(
            f"`{stream}` is a stream, and answers come in batches",
            ("deployment", "serve"),
            help="write `serve: stream` if an event matters when it happens",
            related=(("the stream", ("data", "sources", stream)),),
        )


@rule("SRV005", (INFO, WARNING, WARNING), reads="deployment requirements")
def batching_eats_latency(case: Case) -> Iterable[Hit]:
    """A request may wait for others for half of the time it has, or longer.

    ## Why this is bad
    When few requests come, each waits the full time before the model even starts. What is left must hold the network, the
    features and the model.

    ## Bad
    ```yaml
    deployment: {batching: {max_size: 32, wait: 40 ms}}
    requirements: {service: {latency_p95: 50 ms}}
    ```

    ## Good
    ```yaml
    deployment: {batching: {max_size: 32, wait: 5 ms}}
    requirements: {service: {latency_p95: 50 ms}}
    ```

    ## Fix safety
    Unsafe: a shorter wait makes smaller batches.

    ## Source
    Guide, "System-Level Optimizations: batch processing" and "Performance Monitoring: below 100 ms for real-time".
    """
    deployment = _online(case)
    limits = list(_latencies(case))
    if deployment is None or deployment.batching is None or not limits:
        return
    name, limit = min(limits, key=lambda pair: pair[1])
    wait = deployment.batching.wait
    if wait >= 0.5 * limit > 0:
        route = ("deployment", "batching", "wait")
        shorter = Duration(max(0.001, round(limit / 10, 3)))
        left = f"{spoken(limit - wait)} of {limit} are left for all else" if wait < limit else f"the limit is {limit}"
        yield Hit(
            f"a request may wait {wait} for others; {left}",
            route if case.wrote(*route) else route[:2],
            on="value" if case.wrote(*route) else "key",
            help=f"write `wait: {shorter}`, a tenth of `{name}`",
            related=(("the limit", (*SERVICE, name)),),
            fix=Fix(f"wait {shorter}", (Change("set", route, str(shorter)),), safe=False),
        )


@rule("SRV006", INFO, reads="deployment requirements")
def batches_of_one(case: Case) -> Iterable[Hit]:
    """Requests wait for others that, at the promised load, hardly ever come in time.

    ## Why this is bad
    Each request is slowed down, and nearly every batch holds one of them.

    ## Bad
    ```yaml
    deployment: {batching: {max_size: 32, wait: 5 ms}}
    requirements: {service: {throughput: 10 /s}}
    ```

    ## Good
    ```yaml
    deployment: {batching: {max_size: 32, wait: 5 ms}}
    requirements: {service: {throughput: 2000 /s}}
    ```

    ## Fix safety
    Unsafe: without batching a burst is answered one by one.

    ## Source
    Guide, "System-Level Optimizations: batch processing gives higher throughput". With Poisson arrivals at rate r, a wait of w
    brings r w further requests on average: Little (1961).
    """
    deployment, service = _online(case), _promises(case)
    if deployment is None or deployment.batching is None or service is None or service.throughput is None:
        return
    replicas = max(1, deployment.scale.min) if deployment.scale else 1
    wait = deployment.batching.wait
    others = service.throughput / replicas * wait
    if 0 < others < 0.25:
        yield Hit(
            f"at {service.throughput} a replica gets {counted(others)} further requests in {wait}: most batches hold one",
            ("deployment", "batching"),
            on="key",
            help=f"remove `batching`; it pays from about {Rate(float(f'{replicas / wait:.2g}'))}",
            related=(("the load", (*SERVICE, "throughput")),),
            fix=Fix("answer requests one by one", (Change("remove", ("deployment", "batching")),), safe=False),
        )


@rule("SRV007", (INFO, WARNING, WARNING), reads="deployment monitoring")
def stale_answers(case: Case) -> Iterable[Hit]:
    """Answers are kept longer than a step of the rollout lasts, or longer than the window in which drift is looked for.

    ## Why this is bad
    During a canary the cache goes on giving the old model's answers, so the new model's errors do not show. And what is kept
    longer than the window hides the drift that the window would see.

    ## Bad
    ```yaml
    deployment: {cache: {ttl: 6 h}, pattern: {hold: 1 h}}
    ```

    ## Good
    ```yaml
    deployment: {cache: {ttl: 5 min}, pattern: {hold: 1 h}}
    ```

    ## Fix safety
    Unsafe: a shorter time means more computation.

    ## Source
    Guide, "System-Level Optimizations: caching" and "Canary Deployment Process: monitor key metrics closely".
    """
    deployment, monitoring = case.project.deployment, case.project.monitoring
    if deployment is None or deployment.cache is None:
        return
    pattern: Any = deployment.pattern
    limits: list[tuple[float, str, Route]] = []
    if pattern is not None and pattern.kind in ("canary", "blue_green") and pattern.hold > 0:
        limits.append((pattern.hold, "a step of the rollout lasts", ("deployment", "pattern", "hold")))
    if monitoring is not None and monitoring.data_drift is not None:
        limits.append((monitoring.data_drift.window, "the window of drift lasts", ("monitoring", "data_drift", "window")))
    if not limits:
        return
    shortest, what, where = min(limits, key=lambda one: one[0])
    ttl = deployment.cache.ttl
    if ttl >= shortest > 0:
        route = ("deployment", "cache", "ttl")
        shorter = Duration(max(1, round(shortest / 10)))
        yield Hit(
            f"answers are kept for {ttl}, and {what} {spoken(shortest)}",
            route if case.wrote(*route) else route[:2],
            on="value" if case.wrote(*route) else "key",
            help=f"write `ttl: {shorter}` or less",
            related=((what, where),) if case.wrote(*where) else (),
            fix=Fix(f"keep answers for {shorter}", (Change("set", route, str(shorter)),), safe=False),
        )


@rule("SRV008", (INFO, WARNING, WARNING), reads="deployment requirements")
def ticket_for_a_quick_answer(case: Case) -> Iterable[Hit]:
    """Requests get a ticket and the answer later, and an answer within a second is promised.

    ## Why this is bad
    Who holds a ticket has to ask again for the answer. At least two round trips fit badly into a time that one should take.

    ## Bad
    ```yaml
    deployment: {asynchronous: true}
    requirements: {service: {latency_p95: 50 ms}}
    ```

    ## Good
    ```yaml
    deployment: {asynchronous: true}
    requirements: {service: {latency_p95: 30 s}}
    ```

    ## Fix safety
    Unsafe: clients that expect a ticket get the answer at once.

    ## Source
    Guide, "System-Level Optimizations: asynchronous processing, queue-based systems".
    """
    deployment, tight = case.project.deployment, [pair for pair in _latencies(case) if pair[1] < 1]
    if deployment is not None and deployment.asynchronous and deployment.serve != "batch" and tight:
        route = ("deployment", "asynchronous")
        yield Hit(
            f"a request gets a ticket, and `{tight[0][0]}` promises the answer in {tight[0][1]}",
            route,
            help="write `asynchronous: false`, or a latency that counts from the ticket to the answer",
            related=(("the promise", (*SERVICE, tight[0][0])),),
            fix=Fix("answer at once", (Change("set", route, False),), safe=False),
        )


@rule("SRV009", ERROR, reads="requirements")
def latencies_out_of_order(case: Case) -> Iterable[Hit]:
    """A share of the answers must come sooner than a smaller share.

    ## Why this is bad
    If 99 % of all answers come within a time, 95 % do, too: the looser of the two promises means nothing, so one is not meant.

    ## Bad
    ```yaml
    requirements: {service: {latency_p95: 80 ms, latency_p99: 50 ms}}
    ```

    ## Good
    ```yaml
    requirements: {service: {latency_p95: 50 ms, latency_p99: 80 ms}}
    ```

    ## Fix safety
    Unsafe: the fix exchanges the two.

    ## Source
    Guide, "Non-Functional Requirements: performance"; the definition of a quantile: it rises with its share.
    """
    limits = list(_latencies(case))
    for (lower, low), (upper, high) in pairwise(limits):
        if low > high:
            changes = (Change("set", (*SERVICE, lower), str(high)), Change("set", (*SERVICE, upper), str(low)))
            yield Hit(
                f"`{upper}` is {high}, and `{lower}` is {low}: the larger share comes sooner",
                (*SERVICE, upper),
                help=f"exchange them, or write an `{upper}` of {low} or more",
                related=(("the smaller share", (*SERVICE, lower)),),
                fix=Fix("exchange them", changes, safe=False),
            )


@rule("SRV010", (None, INFO, WARNING), reads="requirements")
def many_errors_allowed(case: Case) -> Iterable[Hit]:
    """More requests may fail than the guide allows.

    ## Why this is bad
    An error rate is what alerts and rollbacks are held against. With a loose one, a service that fails one request in a hundred
    is well.

    ## Bad
    ```yaml
    requirements: {service: {error_rate: 1 %}}
    ```

    ## Good
    ```yaml
    requirements: {service: {error_rate: 0.1 %}}
    ```

    ## Fix safety
    Unsafe: the service is held to more.

    ## Source
    Guide, "Performance Monitoring: error rate below 0.1 %".
    """
    service = _promises(case)
    rate = service.error_rate if service else None
    if service is not None and rate is not None and rate > 0.001 + 1e-12:
        route = (*SERVICE, "error_rate")
        failing = f", {counted(rate * service.throughput * 86_400)} a day at {service.throughput}" if service.throughput else ""
        yield Hit(
            f"{rate} of the requests may fail{failing}; the guide allows 0.1 %",
            route,
            help="write `error_rate: 0.1 %`",
            fix=Fix("allow 0.1 %", (Change("set", route, "0.1 %"),), safe=False),
        )


@rule("SRV011", (INFO, WARNING, WARNING), reads="requirements")
def perfect_service(case: Case) -> Iterable[Hit]:
    """The service must answer always, or no request may fail.

    ## Why this is bad
    No service keeps that. The first failed request breaks the promise, and from then on nobody takes the number seriously.

    ## Bad
    ```yaml
    requirements: {service: {availability: 100 %}}
    ```

    ## Good
    ```yaml
    requirements: {service: {availability: 99.9 %}}
    ```

    ## Fix safety
    None: only you know what is enough.

    ## Source
    Guide, "Non-Functional Requirements: reliability". Beyer et al. (2016), Site Reliability Engineering, chapter 3: 100 % is the
    wrong target for nearly everything.
    """
    service = _promises(case)
    if service is None:
        return
    if service.availability is not None and service.availability >= 1:
        yield Hit(
            "no service is there 100 % of the time",
            (*SERVICE, "availability"),
            help="write for instance `99.9 %`: 44 min a month",
        )
    if service.error_rate is not None and service.error_rate <= 0:
        yield Hit("no service answers without any error", (*SERVICE, "error_rate"), help="write for instance `0.1 %`")


@rule("SRV012", (None, INFO, WARNING), reads="deployment requirements hardware")
def serving_hardware_not_said(case: Case) -> Iterable[Hit]:
    """A throughput is promised, and nothing says what machines are to bring it.

    ## Why this is bad
    Without a request for processors and memory a cluster puts replicas where there is no room, and an autoscaler has nothing to
    count shares of.

    ## Bad
    ```yaml
    hardware: {serving: null}
    requirements: {service: {throughput: 200 /s}}
    ```

    ## Good
    ```yaml
    hardware: {serving: {cpu: 1, memory: 1 GiB}}
    requirements: {service: {throughput: 200 /s}}
    ```

    ## Fix safety
    None: only a load test says how much is needed.

    ## Source
    Guide, "Non-Functional Requirements: performance" and "Hardware Requirements".
    """
    deployment, service = case.project.deployment, _promises(case)
    if deployment is None or deployment.serve == "batch" or deployment.environment == "edge" or deployment.target == "local":
        return
    if service is not None and service.throughput is not None and case.project.hardware.serving is None:
        yield Hit(
            f"{service.throughput} is promised, and `hardware.serving` is missing",
            (*SERVICE, "throughput"),
            help="write for instance `hardware: {serving: {cpu: 1, memory: 1 GiB}}`: for each replica",
        )


@rule("SRV013", INFO, reads="deployment requirements")
def slower_than_real_time(case: Case) -> Iterable[Hit]:
    """A service that answers online may take longer than the guide's limit for real time.

    ## Why this is bad
    Above a tenth of a second people notice that they wait.

    ## Bad
    ```yaml
    requirements: {service: {latency_p95: 800 ms}}
    ```

    ## Good
    ```yaml
    requirements: {service: {latency_p95: 80 ms}}
    ```

    ## Fix safety
    None: it may be enough for your users.

    ## Source
    Guide, "Performance Monitoring: latency below 100 ms for real-time". Nielsen (1993), Usability Engineering: 0.1 s
    feels instant.
    """
    service = _promises(case)
    limit = service.latency_p95 if service else None
    if _online(case) is not None and limit is not None and limit > REAL_TIME:
        yield Hit(
            f"95 % of the answers come within {limit}; the guide's limit for real time is 100 ms",
            (*SERVICE, "latency_p95"),
            help="write `100 ms` or less if somebody waits; `asynchronous: true` if nobody does",
        )


@rule("SRV014", (None, INFO, WARNING), reads="deployment requirements")
def no_latency_target(case: Case) -> Iterable[Hit]:
    """Requests are answered online, and nothing says how soon.

    ## Why this is bad
    A slow service fails in silence: there is no number that a load test, an alert or a rollout could hold it against.

    ## Bad
    ```yaml
    requirements: {service: {latency_p95: null}}
    ```

    ## Good
    ```yaml
    requirements: {service: {latency_p95: 100 ms}}
    ```

    ## Fix safety
    Unsafe: the fix writes the guide's limit for real time.

    ## Source
    Guide, "Non-Functional Requirements: performance (response time)" and "Performance Monitoring: below 100 ms".
    """
    deployment = _online(case)
    if deployment is not None and deployment.environment != "edge" and not any(_latencies(case)):
        yield Hit(
            "requests are answered one by one, and no latency is required",
            ("deployment", "serve") if case.wrote("deployment", "serve") else ("deployment",),
            on="value" if case.wrote("deployment", "serve") else "key",
            help="write for instance `requirements: {service: {latency_p95: 100 ms}}`",
            fix=Fix("require 100 ms", (Change("set", (*SERVICE, "latency_p95"), "100 ms"),), safe=False),
        )


@rule("SRV015", INFO, reads="deployment requirements")
def users_cannot_ask_that_often(case: Case) -> Iterable[Hit]:
    """Fewer users than the promised throughput would need, even if each asked again the moment an answer came.

    ## Why this is bad
    By Little's law, requests in flight are throughput times latency. If there are fewer users than that, one of the three numbers
    is not meant, and machines are bought for a load that cannot come.

    ## Bad
    ```yaml
    requirements: {service: {concurrent_users: 5, latency_p50: 40 ms, throughput: 200 /s}}
    ```

    ## Good
    ```yaml
    requirements: {service: {concurrent_users: 500, latency_p50: 40 ms, throughput: 200 /s}}
    ```

    ## Fix safety
    None: which of the numbers is wrong, only you know.

    ## Source
    Guide, "Non-Functional Requirements: scalability (concurrent users)". Little (1961), A Proof for the Queuing Formula L = λW.
    """
    service, deployment = _promises(case), _online(case)
    if service is None or deployment is None or service.concurrent_users is None or service.throughput is None:
        return
    typical = service.latency_p50
    if typical is None or typical <= 0:
        return
    most, users = service.concurrent_users / typical, service.concurrent_users
    if most < service.throughput:
        yield Hit(
            f"{users} users who wait {typical} each ask at most {counted(most)} times a second, not {service.throughput}",
            (*SERVICE, "throughput"),
            help=f"write `throughput: {Rate(float(f'{most:.3g}'))}`, or {service.throughput * typical:,.0f} users or more",
            related=(("the users", (*SERVICE, "concurrent_users")), ("the typical wait", (*SERVICE, "latency_p50"))),
        )


@rule("SRV016", (INFO, WARNING, WARNING), reads="evaluation requirements")
def gentle_stress_test(case: Case) -> Iterable[Hit]:
    """The load test puts less load on the service than it promises to bear.

    ## Why this is bad
    It passes, and says nothing about the promised load.

    ## Bad
    ```yaml
    evaluation: {stress: {rate: 50 /s}}
    requirements: {service: {throughput: 200 /s}}
    ```

    ## Good
    ```yaml
    evaluation: {stress: {rate: 400 /s}}
    requirements: {service: {throughput: 200 /s}}
    ```

    ## Fix safety
    Unsafe: the test becomes harder, and may fail.

    ## Source
    Guide, "Audit Process: stress testing, high load scenarios".
    """
    stress, service = case.project.evaluation.stress, _promises(case)
    if stress is None or stress.rate is None or service is None or service.throughput is None:
        return
    if stress.rate < service.throughput:
        route = ("evaluation", "stress", "rate")
        double = Rate(2 * service.throughput)
        yield Hit(
            f"the load test asks {stress.rate}, and {service.throughput} is promised",
            route,
            help=f"write `rate: {double}`: twice the promise, to see where it breaks",
            related=(("the promise", (*SERVICE, "throughput")),),
            fix=Fix(f"ask {double}", (Change("set", route, str(double)),), safe=False),
        )


@rule("SRV017", (None, INFO, WARNING), reads="evaluation requirements deployment")
def promise_without_load_test(case: Case) -> Iterable[Hit]:
    """A throughput is promised, and no load test is planned.

    ## Why this is bad
    Whether a service bears a load is measured or not known. The first real load is a poor moment to find out.

    ## Bad
    ```yaml
    evaluation: {stress: null}
    requirements: {service: {throughput: 200 /s}}
    ```

    ## Good
    ```yaml
    evaluation: {stress: {duration: 5 min}}
    requirements: {service: {throughput: 200 /s}}
    ```

    ## Fix safety
    Unsafe: the test asks what is promised for five minutes, and may fail.

    ## Source
    Guide, "Audit Process: stress testing" and "Feasibility Assessment: scalability, load testing".
    """
    deployment, service = case.project.deployment, _promises(case)
    if deployment is None or deployment.serve == "batch" or deployment.environment == "edge":
        return
    if service is not None and service.throughput is not None and case.project.evaluation.stress is None:
        yield Hit(
            f"{service.throughput} is promised, and `evaluation.stress` is missing",
            (*SERVICE, "throughput"),
            help=f"write `evaluation: {{stress: {{rate: {Rate(2 * service.throughput)}, duration: 5 min}}}}`",
            fix=Fix("plan a load test", (Change("set", ("evaluation", "stress"), {"duration": "5 min"}),), safe=False),
        )


@rule("SRV018", (INFO, WARNING, WARNING), reads="deployment requirements")
def cold_start_before_the_answer(case: Case) -> Iterable[Hit]:
    """There may be no replica, and an answer within a second is promised.

    ## Why this is bad
    After a quiet time the first request waits until a replica has been placed and started; loading the libraries alone takes
    a second.

    ## Bad
    ```yaml
    deployment: {scale: {min: 0, max: 10}}
    requirements: {service: {latency_p95: 50 ms, availability: 99 %}}
    ```

    ## Good
    ```yaml
    deployment: {scale: {min: 1, max: 10}}
    requirements: {service: {latency_p95: 50 ms, availability: 99 %}}
    ```

    ## Fix safety
    Unsafe: one replica is paid for at all times.

    ## Source
    Guide, "Performance Monitoring: below 100 ms". Measured: importing scikit-learn and Polars takes 1.07 s of CPU time.
    """
    deployment, tight = _online(case), [pair for pair in _latencies(case) if pair[1] <= 1]
    if deployment is None or deployment.scale is None or deployment.scale.min > 0 or not tight:
        return
    name, limit = tight[0]
    route = (*SCALE, "min")
    yield Hit(
        f"with no replica the first answer waits for one to start, a second or more; `{name}` is {limit}",
        route,
        help="write `min: 1`, or 2 where a high availability is promised",
        related=(("the promise", (*SERVICE, name)),),
        fix=Fix("keep one replica", (Change("set", route, 1),), safe=False),
    )


@rule("SRV019", INFO, reads="requirements")
def no_time_to_repair(case: Case) -> Iterable[Hit]:
    """Failures are so frequent, and the availability so high, that each must be over in less than a minute.

    ## Why this is bad
    Availability is the time between failures over that time plus the time to repair. The two numbers together leave no time for a
    person to look.

    ## Bad
    ```yaml
    requirements: {service: {availability: 99.99 %, mean_time_between_failures: 1 d}}
    ```

    ## Good
    ```yaml
    requirements: {service: {availability: 99.99 %, mean_time_between_failures: 30 d}}
    ```

    ## Fix safety
    None: which of the numbers is wrong, only you know.

    ## Source
    Guide, "Non-Functional Requirements: reliability (uptime %, MTBF)"; availability = MTBF / (MTBF + MTTR).
    """
    service = _promises(case)
    if service is None or service.availability is None or service.mean_time_between_failures is None:
        return
    between, availability = service.mean_time_between_failures, service.availability
    if not 0 < availability < 1 or between <= 0:
        return
    repair = between * (1 - availability) / availability
    if repair < 60:
        yield Hit(
            f"one failure in {between} and {availability} leave {spoken(repair)} for each repair",
            (*SERVICE, "mean_time_between_failures"),
            help=f"with ten minutes for each, promise {100 * between / (600 + between):.4g} %",
            related=(("the promise", (*SERVICE, "availability")),),
        )


@rule("SRV020", (INFO, WARNING, WARNING), reads="hardware model exports deployment")
def replica_too_small(case: Case) -> Iterable[Hit]:
    """A replica gets less memory than the libraries need that answer.

    ## Why this is bad
    The process is killed when it loads the model, and again after each restart.

    ## Bad
    ```yaml
    hardware: {serving: {memory: 128 MB}}
    ```

    ## Good
    ```yaml
    hardware: {serving: {memory: 512 MB}}
    ```

    ## Fix safety
    Unsafe: each replica takes more of the cluster.

    ## Source
    Guide, "Common Issues and Solutions: out of memory errors". Measured: a process that loads scikit-learn and predicts one row
    peaks at 165 MB (ONNX Runtime 57 MB, LiteRT 41 MB).
    """
    serving, model = case.project.hardware.serving, case.project.model
    memory = serving.memory if serving else None
    if memory is None or model is None or case.project.exports or not classical(model):
        return
    if 0 < memory < SMALLEST:
        route = ("hardware", "serving", "memory")
        yield Hit(
            f"a replica gets {memory}; a process that loads scikit-learn and predicts peaks at 165 MB, the model aside",
            route,
            help="write `memory: 512 MB` or more, or add an export to ONNX (57 MB)",
            fix=Fix("give a replica 512 MB", (Change("set", route, "512 MB"),), safe=False),
        )


@rule("SRV021", (None, INFO, WARNING), reads="hardware model exports deployment requirements")
def throughput_beyond_capacity(case: Case) -> Iterable[Hit]:
    """The promised throughput needs more processor time than all replicas have.

    ## Why this is bad
    Requests queue up without end: latency grows until clients give up.

    ## Bad
    ```yaml
    model: {kind: sklearn.random_forest, params: {learning_rate: null, n_estimators: 1000}}
    requirements: {service: {throughput: 2000 /s}}
    ```

    ## Good
    ```yaml
    requirements: {service: {throughput: 2000 /s}}
    ```

    ## Fix safety
    None: a smaller model, an export, batching and more replicas all help.

    ## Source
    Guide, "Common Issues and Solutions: high latency". Measured, one row at a time with scikit-learn 1.9, CPU ms: a forest of 100
    trees 3.3, histogram boosting 0.50, LightGBM 0.28, k-nearest neighbours 0.28, XGBoost 0.13, naive Bayes 0.11, logistic
    regression 0.08. The rule speaks up from twice the capacity, because machines differ.
    """
    deployment, service, serving = _online(case), _promises(case), case.project.hardware.serving
    if deployment is None or deployment.scale is None or deployment.batching is not None or case.project.exports:
        return
    cost, cores = _cost(case), (serving.cpu if serving and not serving.accelerator else None)
    if cost is None or cores is None or service is None or service.throughput is None:
        return
    needed, there = service.throughput * cost / 1000, cores * deployment.scale.max
    if needed > 2 * there:
        yield Hit(
            f"{service.throughput} at about {cost:.2g} ms each keep {counted(needed)} cores busy; "
            f"{deployment.scale.max} replicas with {cores:g} have {there:g}",
            (*SERVICE, "throughput"),
            help=f"allow {-(-needed // (0.8 * cores)):.0f} replicas, export the model, or batch requests",
            related=(("the most replicas", (*SCALE, "max")), ("the cores of each", ("hardware", "serving", "cpu"))),
        )


def _cost(case: Case) -> float | None:
    """Return the CPU time of one prediction in ms; None where we have not measured."""
    model: Any = case.project.model
    cost = COST_MS.get(model.kind) if model else None
    trees = getattr(model.params, "n_estimators", None) if model and cost and model.kind in ONE_BY_ONE else 100
    return cost * trees / 100 if cost is not None and trees else cost


ONE_BY_ONE = {"sklearn.random_forest", "sklearn.extra_trees"}
