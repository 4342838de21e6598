"""Pages of the faults that the language itself finds: unknown keys and words, wrong types, units, and what contradicts itself."""

from __future__ import annotations

from mlspec.rules import WARNING, fault


@fault("LAN001")
def unknown_key() -> None:
    """A key is not one of the language, or stands where it means nothing.

    What is nearly a key of this place is one fault with the key that is missing for it. A key that belongs elsewhere is told
    where. Keys of your own start with `x-`.

    ## Why this is bad
    A misspelt key is a setting that does not count: the run goes on with a default, and nobody notices.

    ## Bad
    ```yaml
    training: {cross_validaton: 5}
    ```

    ## Good
    ```yaml
    training: {cross_validation: 5, x-reason: the guide says five}
    ```

    ## Fix safety
    Safe where the key is one near word's misspelling, or differs from it in case or signs only. Unsafe for a synonym.

    ## Source
    The language: docs/spec.md lists the keys of each section. Measured: other tools accept `enable_cach: false` in silence.
    """


@fault("LAN002")
def missing_key() -> None:
    """A key that must be written is not.

    It is told at the key of the mapping that lacks it.

    ## Why this is bad
    There is no default that would be right for most: a target, a source or a name is yours to say.

    ## Bad
    ```yaml
    splits: {strategy: group}
    ```

    ## Good
    ```yaml
    splits: {strategy: group, group_by: household}
    ```

    ## Fix safety
    None: only you know the value.

    ## Source
    The language: docs/spec.md marks the keys that are required.
    """


@fault("LAN003")
def wrong_type() -> None:
    """A value is a text where a number belongs, a list where a mapping belongs, and so on.

    ## Why this is bad
    YAML says what is a number and what is text: `"5"` is text. A guess would sometimes be wrong, and silently so.

    ## Bad
    ```yaml
    training: {cross_validation: "5"}
    ```

    ## Good
    ```yaml
    training: {cross_validation: 5}
    ```

    ## Fix safety
    Safe where a quoted number or truth value loses its quotes. Unsafe where a number gains them, or `yes` becomes `true`.

    ## Source
    The language: docs/spec.md names the type of each key. YAML 1.2, core schema.
    """


@fault("LAN004")
def unknown_kind() -> None:
    """A `kind` names nothing that is known there.

    ## Why this is bad
    The kind decides which other keys there are and what is done: without it nothing can be.

    ## Bad
    ```yaml
    model: {kind: sklearn.hist_gradient_bosting, params: {learning_rate: 0.1}}
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.hist_gradient_boosting, params: {learning_rate: 0.1}}
    ```

    ## Fix safety
    Safe where only case or signs differ; unsafe for the nearest word and for a synonym such as `xgb`.

    ## Source
    The language: docs/spec.md lists the kinds; packages may add their own by entry points.
    """


@fault("LAN005")
def unknown_value() -> None:
    """A word is not one of those that can stand there.

    ## Why this is bad
    What is not known cannot be done, and a default in its place would not be what was asked for.

    ## Bad
    ```yaml
    project: {phase: prodution}
    ```

    ## Good
    ```yaml
    project: {phase: production}
    ```

    ## Fix safety
    Safe where only case or signs differ; unsafe for the nearest word and for a synonym.

    ## Source
    The language: docs/spec.md lists the words of each key.
    """


@fault("LAN006")
def out_of_range() -> None:
    """A number is too small or too large to mean anything, or a list is empty that must not be.

    ## Why this is bad
    A probability of 1.5 or a single fold cannot be computed with: the run would stop, or give nonsense.

    ## Bad
    ```yaml
    evaluation: {threshold: 1.5}
    ```

    ## Good
    ```yaml
    evaluation: {threshold: 0.5}
    ```

    ## Fix safety
    None: only you know the number.

    ## Source
    The language: docs/spec.md names the range of each key.
    """


@fault("LAN007")
def malformed() -> None:
    """A text does not have the form that its key asks for.

    ## Why this is bad
    Names of steps and projects become file names, images and Python identifiers; targets are comparisons that must be readable.

    ## Bad
    ```yaml
    project: {name: Churn EU}
    ```

    ## Good
    ```yaml
    project: {name: churn-eu}
    ```

    ## Fix safety
    Unsafe: where lower case and other signs make the text fit, they are offered; other places may use the old name.

    ## Source
    The language: docs/spec.md.
    """


@fault("LAN008")
def invalid_value() -> None:
    """A transform's or model's keys do not go together.

    ## Why this is bad
    One of the two would be ignored, and it is not said which.

    ## Bad
    ```yaml
    features: [{kind: bin, columns: [tenure], edges: [12, 6]}]
    ```

    ## Good
    ```yaml
    features: [{kind: bin, columns: [tenure], edges: [6, 12]}]
    ```

    ## Fix safety
    None: either key may be the wrong one.

    ## Source
    The language: docs/spec.md, transforms and families.
    """


@fault("LAN009")
def unsupported_version() -> None:
    """The spec is written in a version of the language that this program does not read.

    ## Why this is bad
    In another version the same key may mean something else.

    ## Bad
    ```yaml
    mlspec: 2
    project: {name: churn}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: churn}
    task: {kind: classification, target: Churn}
    data: {sources: {customers: {kind: csv, path: customers.csv}}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    None: install the program that reads the version.

    ## Source
    The language: docs/spec.md, `mlspec`.
    """


@fault("LAN010")
def contradiction() -> None:
    """Two places of the spec cannot both be meant.

    The other place is shown beside.

    ## Why this is bad
    Whichever of the two were followed, somebody who read the other would be wrong about the run.

    ## Bad
    ```yaml
    splits: {strategy: random, group_by: household}
    ```

    ## Good
    ```yaml
    splits: {strategy: group, group_by: household}
    ```

    ## Fix safety
    None: either place may be the wrong one.

    ## Source
    The language: docs/spec.md.
    """


@fault("LAN011")
def bad_ratios() -> None:
    """The shares of train, dev and test do not sum to 1.

    ## Why this is bad
    Rows would be left out, or stand in two parts: then the test says nothing about new rows.

    ## Bad
    ```yaml
    splits: {ratios: [0.7, 0.2, 0.2]}
    ```

    ## Good
    ```yaml
    splits: {ratios: [0.7, 0.15, 0.15]}
    ```

    ## Fix safety
    None: each of the three may be the wrong one.

    ## Source
    Guide, "Split Strategy for Different Data Sizes".
    """


@fault("LAN012")
def bad_schedule() -> None:
    """A schedule is neither five cron fields nor one of hourly, daily, weekly and monthly.

    ## Why this is bad
    The orchestrator would refuse it, or run at another time than you think.

    ## Bad
    ```yaml
    pipeline: {schedule: "0 25 * * 1"}
    ```

    ## Good
    ```yaml
    pipeline: {schedule: "0 5 * * 1"}
    ```

    ## Fix safety
    None: only you know the time.

    ## Source
    The language: docs/spec.md, `pipeline.schedule`; POSIX, https://pubs.opengroup.org/onlinepubs/9799919799/utilities/crontab.html.
    """


@fault("LAN013")
def unknown_timezone() -> None:
    """There is no time zone of this name.

    ## Why this is bad
    The schedule would run at another hour, or not at all.

    ## Bad
    ```yaml
    pipeline: {timezone: Europe/Atlantis}
    ```

    ## Good
    ```yaml
    pipeline: {timezone: Europe/Paris}
    ```

    ## Fix safety
    None: only you know the place.

    ## Source
    The language: docs/spec.md, `pipeline.timezone`; names are those of https://www.iana.org/time-zones.
    """


@fault("LAN014")
def missing_unit() -> None:
    """A length of time, a size, a share or a rate has no unit.

    ## Why this is bad
    A bare number may be read as seconds by one reader and as milliseconds by another; 0.05 may be a share or a percentage.

    ## Bad
    ```yaml
    pipeline: {timeout: 50}
    ```

    ## Good
    ```yaml
    pipeline: {timeout: 50 min}
    ```

    ## Fix safety
    None: only you know the unit.

    ## Source
    The language: docs/spec.md, quantities.
    """


@fault("LAN015")
def unknown_unit() -> None:
    """A unit is not one of those that measure this.

    ## Why this is bad
    `50 mb` is no length of time, and `8 gb` may be bits or bytes: a guess could be wrong by a factor of eight.

    ## Bad
    ```yaml
    requirements: {service: {latency_p95: 50 mb}}
    ```

    ## Good
    ```yaml
    requirements: {service: {latency_p95: 50 ms}}
    ```

    ## Fix safety
    None: only you know what is meant.

    ## Source
    The language: docs/spec.md, quantities.
    """


@fault("LAN016")
def inline_secret() -> None:
    """A password, token or secret address stands in the spec itself.

    No message repeats it.

    ## Why this is bad
    A spec is kept in version control and packed with the model: who reads either has the secret, for ever.

    ## Bad
    ```yaml
    monitoring: {alerts: [{kind: slack, url: "https://hooks.example.com/T0/B0/x1", severity: warning}]}
    ```

    ## Good
    ```yaml
    monitoring:
      alerts:
        - {kind: slack, url: "${env:SLACK_URL}", severity: warning}
        - {kind: pagerduty, routing_key: "${env:PAGERDUTY_KEY}", severity: critical}
    ```

    ## Fix safety
    None: take the secret out, and out of use, since it has been written down.

    ## Source
    The language: docs/spec.md, references. CWE-798, https://cwe.mitre.org/data/definitions/798.html.
    """


@fault("LAN017")
def bad_reference() -> None:
    """A `${…}` is not a reference to an environment variable or a stored secret.

    ## Why this is bad
    It would be used as it stands: an address that leads nowhere, or a password that is wrong.

    ## Bad
    ```yaml
    tracking: {kind: mlflow, uri: "https://${HOST}/"}
    ```

    ## Good
    ```yaml
    tracking: {kind: mlflow, uri: "https://${env:HOST}/"}
    ```

    ## Fix safety
    None: `env` and `secret` are both possible.

    ## Source
    The language: docs/spec.md, references.
    """


@fault("LAN018")
def bad_expression() -> None:
    """A condition over rows cannot be read.

    ## Why this is bad
    The slice or check that it describes would stop the run after the model has been trained.

    ## Bad
    ```yaml
    requirements: {coverage: [{name: new customers, where: "tenure = 3"}]}
    ```

    ## Good
    ```yaml
    requirements: {coverage: [{name: new customers, where: "tenure == 3"}]}
    ```

    ## Fix safety
    None: the message says what cannot be read.

    ## Source
    The language: docs/spec.md, conditions.
    """


@fault("LAN019")
def empty_range() -> None:
    """The smallest value of a check is above its largest one.

    ## Why this is bad
    No row can pass such a check.

    ## Bad
    ```yaml
    data: {checks: [{kind: range, columns: [tenure], min: 72, max: 0}]}
    ```

    ## Good
    ```yaml
    data: {checks: [{kind: range, columns: [tenure], min: 0, max: 72}]}
    ```

    ## Fix safety
    None: either of the two may be the wrong one.

    ## Source
    The language: docs/spec.md, checks.
    """


@fault("LAN020")
def bad_steps() -> None:
    """The shares of traffic of a canary do not rise.

    ## Why this is bad
    A rollout that goes back sends users from the new model to the old one and forth.

    ## Bad
    ```yaml
    deployment: {pattern: {kind: canary, steps: [5 %, 50 %, 25 %, 100 %]}}
    ```

    ## Good
    ```yaml
    deployment: {pattern: {kind: canary, steps: [5 %, 25 %, 50 %, 100 %]}}
    ```

    ## Fix safety
    None: a share may be misplaced or mistyped.

    ## Source
    Guide, "Canary Deployment Process".
    """


@fault("LAN021")
def unknown_encoding() -> None:
    """A text file is said to be in an encoding that is not read.

    ## Why this is bad
    Read as another encoding, letters beyond ASCII become other letters, and categories fall apart.

    ## Bad
    ```yaml
    data: {sources: {customers: {kind: csv, encoding: latin-1}}}
    ```

    ## Good
    ```yaml
    data: {sources: {customers: {kind: csv, encoding: utf8-lossy}}}
    ```

    ## Fix safety
    None: convert the file once, which loses nothing.

    ## Source
    The language: docs/spec.md, `csv`.
    """


@fault("LAN022")
def sources_not_combined() -> None:
    """There are several sources, and nothing says how they become one table.

    ## Why this is bad
    A model is trained on one table: rows side by side and rows one below the other are two different ones.

    ## Bad
    ```yaml
    data: {sources: {orders: {kind: parquet, path: data/orders.parquet, origin: internal, license: proprietary}}}
    ```

    ## Good
    ```yaml
    data:
      sources: {orders: {kind: parquet, path: data/orders.parquet, origin: internal, license: proprietary}}
      join: [{left: customers, right: orders, on: customerID, how: left}]
    ```

    ## Fix safety
    None: only you know which.

    ## Source
    The language: docs/spec.md, `data.join` and `data.union`.
    """


@fault("LAN023")
def unused_source() -> None:
    """No join uses a source.

    ## Why this is bad
    It would be read and thrown away, and somebody believes that its columns are there.

    ## Bad
    ```yaml
    data:
      sources:
        orders: {kind: parquet, path: data/orders.parquet, origin: internal, license: proprietary}
        calls: {kind: parquet, path: data/calls.parquet, origin: internal, license: proprietary}
      join: [{left: customers, right: orders, on: customerID, how: left}]
    ```

    ## Good
    ```yaml
    data:
      sources:
        orders: {kind: parquet, path: data/orders.parquet, origin: internal, license: proprietary}
        calls: {kind: parquet, path: data/calls.parquet, origin: internal, license: proprietary}
      join:
        - {left: customers, right: orders, on: customerID, how: left}
        - {left: customers, right: calls, on: customerID, how: left}
    ```

    ## Fix safety
    None: join it, or remove it.

    ## Source
    The language: docs/spec.md, `data.join`.
    """


@fault("LAN024")
def unknown_source() -> None:
    """A join names a source that there is not.

    ## Why this is bad
    There is nothing to join.

    ## Bad
    ```yaml
    data:
      sources: {orders: {kind: parquet, path: data/orders.parquet, origin: internal, license: proprietary}}
      join: [{left: customers, right: order, on: customerID, how: left}]
    ```

    ## Good
    ```yaml
    data:
      sources: {orders: {kind: parquet, path: data/orders.parquet, origin: internal, license: proprietary}}
      join: [{left: customers, right: orders, on: customerID, how: left}]
    ```

    ## Fix safety
    Safe where only case or signs differ, else unsafe.

    ## Source
    The language: docs/spec.md, `data.join`.
    """


@fault("LAN025")
def unknown_label() -> None:
    """The positive label is none of the values of the target.

    ## Why this is bad
    No row would be positive, and every metric of the positive class would be 0.

    ## Bad
    ```yaml
    task: {positive: "yes"}
    ```

    ## Good
    ```yaml
    task: {positive: "Yes"}
    ```

    ## Fix safety
    Safe where only case or signs differ, else unsafe.

    ## Source
    The language: docs/spec.md, `task.positive`.
    """


@fault("LAN026")
def unknown_metric() -> None:
    """There is no metric of this name, neither in the catalogue nor among your own.

    ## Why this is bad
    Nothing would compute it, so no gate could be passed.

    ## Bad
    ```yaml
    requirements: {metrics: [{metric: auc, target: ">= 0.84"}]}
    ```

    ## Good
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.84"}]}
    ```

    ## Fix safety
    Safe where only case or signs differ; unsafe for the nearest name and for a synonym such as `auc`.

    ## Source
    The language: docs/spec.md, metrics.
    """


@fault("LAN027")
def metric_of_another_task() -> None:
    """A metric is for another kind of task.

    ## Why this is bad
    Nothing can compute it from such predictions: a class has no squared error.

    ## Bad
    ```yaml
    requirements: {metrics: [{metric: rmse, target: "<= 3"}]}
    ```

    ## Good
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.84"}]}
    ```

    ## Fix safety
    None: choose one of the metrics that are listed.

    ## Source
    Guide, "Choosing the Right Metric".
    """


@fault("LAN028", WARNING)
def not_realised_yet() -> None:
    """The spec asks for something that can be written and that no step realises yet.

    It is checked and kept in the package; `today` says what happens in its place.

    ## Why this is bad
    Who reads the spec believes that it is done.

    ## Bad
    ```yaml
    project: {profile: startup}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: churn}
    task: {kind: classification, target: Churn}
    data: {sources: {customers: {kind: csv, path: customers.csv}}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    None: leave it out, or do it by other means.

    ## Source
    The language: docs/spec.md marks what is not realised yet.
    """


@fault("LAN029")
def unknown_business_target() -> None:
    """A metric supports a business target that there is not.

    ## Why this is bad
    The chain from the model to its use is broken: nobody can say what the number is good for.

    ## Bad
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.84", supports: retention}]}
    ```

    ## Good
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.84", supports: retention_rate}]}
    ```

    ## Fix safety
    Safe where only case or signs differ, else unsafe.

    ## Source
    Guide, "Requirements: business, model and system metrics".
    """


@fault("LAN030", WARNING)
def suspicious_column() -> None:
    """A column that is named is not declared, and one that is declared is all but called so.

    Not every column must be declared, so this is a warning. Names that differ in digits only are two names.

    ## Why this is bad
    A column that the data lacks stops the run, or is left out of a slice without a word.

    ## Bad
    ```yaml
    evaluation: {slices: [Contrct]}
    ```

    ## Good
    ```yaml
    evaluation: {slices: [Contract]}
    ```

    ## Fix safety
    Unsafe: the data may hold both.

    ## Source
    The language: docs/spec.md, `data.columns`.
    """


@fault("LAN031")
def unknown_column() -> None:
    """The sources name all their columns, and this is none of them.

    ## Why this is bad
    The run would stop where the column is needed.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: wine}
    task: {kind: regression, target: quality}
    data: {sources: {red: {kind: csv, path: red.csv, header: false, names: [alcohol, density, quality]}}}
    model: {kind: sklearn.ridge}
    evaluation: {slices: [vineyard]}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: wine}
    task: {kind: regression, target: quality}
    data: {sources: {red: {kind: csv, path: red.csv, header: false, names: [alcohol, density, quality, vineyard]}}}
    model: {kind: sklearn.ridge}
    evaluation: {slices: [vineyard]}
    ```

    ## Fix safety
    None: the list or the place may be wrong.

    ## Source
    The language: docs/spec.md, `csv`, `names`.
    """


@fault("LAN032")
def unknown_step() -> None:
    """A step of your own takes from a step, or waits for one, that there is not.

    ## Why this is bad
    It could never run.

    ## Bad
    ```yaml
    steps: {notify: {entrypoint: "churn.notify:send", inputs: {decision: decde.decision}}}
    ```

    ## Good
    ```yaml
    steps: {notify: {entrypoint: "churn.notify:send", inputs: {decision: decide.decision}}}
    ```

    ## Fix safety
    Unsafe: the nearest name is written.

    ## Source
    The language: docs/spec.md, `steps`; docs/architecture.md draws the steps that a spec implies.
    """


@fault("LAN033")
def unknown_output() -> None:
    """A step of your own takes an output that the other step does not give.

    ## Why this is bad
    There is no file to take.

    ## Bad
    ```yaml
    steps: {notify: {entrypoint: "churn.notify:send", inputs: {decision: decide.decisions}}}
    ```

    ## Good
    ```yaml
    steps: {notify: {entrypoint: "churn.notify:send", inputs: {decision: decide.decision}}}
    ```

    ## Fix safety
    Unsafe: the nearest name is written.

    ## Source
    The language: docs/spec.md, `steps`.
    """


@fault("LAN034")
def unknown_parameter() -> None:
    """The search for hyperparameters looks at a parameter that the family does not have.

    ## Why this is bad
    The search would spend its trials on values that no model takes.

    ## Bad
    ```yaml
    training: {tuning: {space: {learning_rat: {low: 0.01, high: 0.3}}}}
    ```

    ## Good
    ```yaml
    training: {tuning: {space: {learning_rate: {low: 0.01, high: 0.3}}}}
    ```

    ## Fix safety
    Safe where only case or signs differ, else unsafe.

    ## Source
    The language: docs/spec.md lists the parameters of each family.
    """


@fault("LAN035")
def parameter_does_not_fit() -> None:
    """A parameter of a model does not fit the task or another parameter.

    ## Why this is bad
    scikit-learn would refuse it when the model is fitted, after the data has been read.

    ## Bad
    ```yaml
    model: {params: {loss: squared_error}}
    ```

    ## Good
    ```yaml
    model: {params: {loss: log_loss}}
    ```

    ## Fix safety
    None: the parameter or the task may be wrong.

    ## Source
    The language: docs/spec.md, families; the constraints are scikit-learn's, https://scikit-learn.org/stable/api/.
    """


@fault("LAN036")
def family_not_for_task() -> None:
    """A family of models cannot do the task.

    ## Why this is bad
    There is nothing to fit: linear regression predicts no classes.

    ## Bad
    ```yaml
    model: {kind: sklearn.linear_regression, params: null}
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.logistic_regression, params: null}
    ```

    ## Fix safety
    None: choose a family of the task.

    ## Source
    The language: docs/spec.md, families.
    """


@fault("LAN037", WARNING)
def rule_crashed() -> None:
    """A lint rule has a bug: it raised an exception on this spec, and the other rules went on.

    ## Why this is bad
    What the rule would have found is not known.

    ## Bad
    ```yaml
    project: {name: churn}
    ```

    ## Good
    ```yaml
    project: {name: churn}
    ```

    ## Fix safety
    None: please report it, with the spec, so that it can be mended. No spec is known that shows it.

    ## Source
    The language: a fault of this program, not of yours.
    """


@fault("LAN038")
def patch_missing() -> None:
    """A patch of a generated file is not there.

    ## Why this is bad
    The next `mlspec compile` cannot make the change again, so it writes nothing.

    ## Bad
    ```yaml
    pipeline: {patches: [{file: Dockerfile, patch: patches/image.diff}]}
    ```

    ## Good
    ```yaml
    pipeline: {patches: [{file: Dockerfile, patch: image.diff}]}
    ```

    ```diff image.diff
    --- a/Dockerfile
    +++ b/Dockerfile
    @@ -1 +1 @@
    -FROM python:3.11-slim
    +FROM registry.example.com/python:3.11
    ```

    ## Fix safety
    None: make the diff with `diff -u`, or take the entry out.

    ## Source
    The language: docs/own-it.md.
    """


@fault("LAN039")
def item_collision() -> None:
    """Two items of `for_each` would have the same name in the names of steps, folders and models.

    A name is made of lower-case letters, digits and `_`. Other letters are told apart by a digest; case and signs are not.

    ## Why this is bad
    One model would overwrite the other.

    ## Bad
    ```yaml
    for_each: {column: contract, values: ["M 1", m-1]}
    ```

    ## Good
    ```yaml
    for_each: {column: contract, values: [m-1, m-2]}
    ```

    ## Fix safety
    None: only you can call them otherwise in the data.

    ## Source
    The language: orchestrators and registries take such names only (Kubernetes: RFC 1123).
    """


@fault("LAN040")
def items_unknown() -> None:
    """The items of `for_each` cannot be read from their table.

    ## Why this is bad
    Nobody knows which models to make: the pipeline cannot be written down.

    ## Bad
    ```yaml
    for_each: {column: contract, table: no-such-file.csv}
    ```

    ## Good
    ```yaml
    for_each: {column: contract, table: contracts.csv}
    ```

    ```csv contracts.csv
    contract,owner
    monthly,sales
    yearly,service
    ```

    ## Fix safety
    None: a CSV file beside the spec, with a column of that name.

    ## Source
    The language: docs/spec.md, `for_each`.
    """
