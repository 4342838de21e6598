"""Data: sources and their terms, labels and how far people agree, checks, formats, engines and backups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mlspec.diagnostic import Change, Fix, Route
from mlspec.quantity import Bytes, Percent
from mlspec.rules._cadence import period, spoken
from mlspec.rules._case import Case
from mlspec.rules._place import place
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule

LARGE_ROWS, LARGE_SIZE = 100_000, 100_000_000
"""From here on the guide calls tabular data large: rows, and bytes of text."""

DAY = 86_400
LEAST_AGREEMENT = {"cohen_kappa": 0.6, "fleiss_kappa": 0.6, "krippendorff_alpha": 0.667, "percent": 0.8}
SOURCES_OF_LEAST = {
    "cohen_kappa": "Landis and Koch call 0.61 to 0.80 substantial",
    "fleiss_kappa": "Landis and Koch call 0.61 to 0.80 substantial",
    "krippendorff_alpha": "Krippendorff draws even tentative conclusions from 0.667 only",
    "percent": "two people who guess between two classes agree on half of the rows",
}
REWRITERS = ("paraphrase", "back_translate", "custom")
CLUSTERS = ("spark", "dask", "ray")
COPIES_IN_PANDAS = 5
"""So many times the size of the data should be free as memory for pandas, by the rule of its author (5 to 10)."""


def _sources(case: Case) -> Mapping[str, Any]:
    return case.project.data.sources if case.project.data else {}


def _size(case: Case) -> Bytes | None:
    volume = case.project.data.volume if case.project.data else None
    return volume.size if volume else None


@rule("DAT001", WARNING, reads="data")
def source_without_license(case: Case) -> Iterator[Hit]:
    """Public or purchased data has no licence.

    ## Why this is bad
    Public does not mean free to use: many licences forbid commercial use or demand to be named. The model inherits the question.

    ## Bad
    ```yaml
    data: {sources: {customers: {origin: public, license: null}}}
    ```

    ## Good
    ```yaml
    data: {sources: {customers: {origin: public, license: CC-BY-4.0}}}
    ```

    ## Fix safety
    None: only the provider can say.

    ## Source
    Guide, "Collection Strategy: consider quality, privacy, and legal constraints"; Gebru et al. (2021), "Datasheets".
    """
    for name, source in _sources(case).items():
        origin = getattr(source, "origin", None)
        if origin in ("public", "purchased") and not source.license:
            route = ("data", "sources", name, "origin")
            yield Hit(f"`{name}` is {origin}, and has no license", route, "write `license`, such as CC-BY-4.0")


@rule("DAT002", (None, None, WARNING), reads="data")
def source_not_documented(case: Case) -> Iterator[Hit]:
    """In production, a source does not say where it comes from or what it is.

    ## Why this is bad
    The next person cannot tell what a row is, how it was collected and whom it leaves out.

    ## Bad
    ```yaml
    data: {sources: {customers: {description: null}}}
    ```

    ## Good
    ```yaml
    data: {sources: {customers: {description: one row a customer}}}
    ```

    ## Fix safety
    None: only you know.

    ## Source
    Guide, "Collection Strategy: document data sources and collection methods"; Gebru et al. (2021), "Datasheets for datasets".
    """
    for name, source in _sources(case).items():
        lacking = [key for key in ("origin", "description") if not getattr(source, key, None)]
        if lacking and source.kind != "sklearn":
            message = f"`{name}` has no {' and no '.join(lacking)}"
            yield Hit(message, ("data", "sources", name), f"write {' and '.join(f'`{key}`' for key in lacking)}", "key")


@rule("DAT003", WARNING, reads="data")
def crowd_labels_without_agreement(case: Case) -> Iterator[Hit]:
    """Crowdsourced data says nothing of how far its annotators must agree.

    ## Why this is bad
    The quality of crowdsourced labels varies; without a measured agreement nobody knows the ceiling of any metric.

    ## Bad
    ```yaml
    data: {sources: {customers: {origin: crowdsourced}}}
    ```

    ## Good
    ```yaml
    data:
      sources: {customers: {origin: crowdsourced}}
      labels: {annotators: 3, adjudication: majority, agreement: {metric: fleiss_kappa, min: 0.7}}
    ```

    ## Fix safety
    None: agreement must be measured.

    ## Source
    Guide, "Data Sources Comparison: Crowdsourcing" (variable quality) and "Data Quality Checklist: inter-annotator agreement
    measured".
    """
    labels = case.project.data.labels if case.project.data else None
    for name, source in _sources(case).items():
        if getattr(source, "origin", None) == "crowdsourced" and (labels is None or labels.agreement is None):
            route = ("data", "sources", name, "origin")
            yield Hit(
                f"the labels of `{name}` are crowdsourced, and no agreement is asked for", route, "write `data.labels.agreement`"
            )


@rule("DAT004", (None, INFO, WARNING), reads="data")
def annotators_without_guidelines(case: Case) -> Iterator[Hit]:
    """People label rows, and nothing says by which instructions.

    ## Why this is bad
    Without written rules, annotators settle unclear cases each in their own way, and the model learns the mixture.

    ## Bad
    ```yaml
    data: {labels: {annotators: 1, guidelines: null}}
    ```

    ## Good
    ```yaml
    data: {labels: {annotators: 1, guidelines: docs/labels.md}}
    ```

    ## Fix safety
    None: somebody must write them.

    ## Source
    Guide, "Data Quality Checklist: clear annotation guidelines documented".
    """
    labels = case.project.data.labels if case.project.data else None
    crowd = any(getattr(source, "origin", None) == "crowdsourced" for source in _sources(case).values())
    if labels is not None and labels.guidelines is None and (labels.annotators or labels.agreement or crowd):
        yield Hit(
            "nothing says how rows are labelled", ("data", "labels"), "write `guidelines`: where the instructions are", "key"
        )


@rule("DAT005", WARNING, reads="data")
def agreement_too_low(case: Case) -> Iterator[Hit]:
    """Annotators may agree less than is called substantial.

    That is a kappa below 0.6, Krippendorff's alpha below 0.667, or 80 % of the rows.

    ## Why this is bad
    Where people disagree, no model can be right: their agreement is the ceiling of every metric.

    ## Bad
    ```yaml
    data: {labels: {annotators: 2, adjudication: expert, agreement: {metric: cohen_kappa, min: 0.4}}}
    ```

    ## Good
    ```yaml
    data: {labels: {annotators: 2, adjudication: expert, agreement: {metric: cohen_kappa, min: 0.7}}}
    ```

    ## Fix safety
    None: better guidelines raise agreement, a number does not.

    ## Source
    Landis, Koch (1977), "The measurement of observer agreement for categorical data"; Krippendorff (2004), "Content analysis";
    guide, "Data Quality Checklist".
    """
    labels = case.project.data.labels if case.project.data else None
    if labels is None or labels.agreement is None:
        return
    agreement = labels.agreement
    least = LEAST_AGREEMENT[agreement.metric]
    if agreement.min < least:
        message = f"an agreement of {agreement.min:g} ({agreement.metric}) is enough here; {SOURCES_OF_LEAST[agreement.metric]}"
        yield Hit(
            message, ("data", "labels", "agreement", "min"), f"ask for {least:g} or more, and improve the guidelines until then"
        )


@rule("DAT006", INFO, reads="data")
def agreement_in_percent(case: Case) -> Iterator[Hit]:
    """Agreement is measured as the share of rows on which annotators agree.

    ## Why this is bad
    With 95 % of the rows of one class, two people who always say that class agree on all rows and know nothing. Kappa and alpha
    leave out what chance explains.

    ## Bad
    ```yaml
    data: {labels: {annotators: 2, adjudication: expert, agreement: {metric: percent, min: 0.9}}}
    ```

    ## Good
    ```yaml
    data: {labels: {annotators: 2, adjudication: expert, agreement: {metric: cohen_kappa, min: 0.7}}}
    ```

    ## Fix safety
    None: the number must be measured anew.

    ## Source
    Cohen (1960), "A coefficient of agreement for nominal scales"; guide, "Data Quality Checklist".
    """
    labels = case.project.data.labels if case.project.data else None
    if labels is not None and labels.agreement is not None and labels.agreement.metric == "percent":
        fitting = "cohen_kappa" if labels.annotators in (None, 2) else "fleiss_kappa"
        route = ("data", "labels", "agreement", "metric")
        yield Hit(
            "a share of equal labels counts agreement by chance, too", route, f"measure `{fitting}` or `krippendorff_alpha`"
        )


@rule("DAT007", WARNING, reads="data")
def agreement_of_wrong_number(case: Case) -> Iterator[Hit]:
    """The measure of agreement does not fit the number of annotators.

    One person agrees with nobody, and Cohen's kappa compares exactly two.

    ## Why this is bad
    The number asked for cannot be computed, or leaves out all annotators but two.

    ## Bad
    ```yaml
    data: {labels: {annotators: 3, adjudication: majority, agreement: {metric: cohen_kappa, min: 0.7}}}
    ```

    ## Good
    ```yaml
    data: {labels: {annotators: 3, adjudication: majority, agreement: {metric: fleiss_kappa, min: 0.7}}}
    ```

    ## Fix safety
    Unsafe: with three annotators or more the metric becomes fleiss_kappa; the least may have to change, too.

    ## Source
    Cohen (1960) for two annotators, Fleiss (1971) for more; guide, "Data Quality Checklist: inter-annotator agreement measured".
    """
    labels = case.project.data.labels if case.project.data else None
    if labels is None or labels.agreement is None or labels.annotators is None:
        return
    if labels.annotators == 1:
        message, help_text = "one annotator agrees with nobody", "let at least two people label a part of the rows"
        yield Hit(
            message,
            ("data", "labels", "annotators"),
            help_text,
            related=(("agreement is asked for here", ("data", "labels", "agreement")),),
        )
    elif labels.annotators > 2 and labels.agreement.metric == "cohen_kappa":
        message = f"Cohen's kappa compares two annotators, and there are {labels.annotators}"
        target: Route = ("data", "labels", "agreement", "metric")
        route, on = place(case, *target)
        fix = Fix("measure Fleiss' kappa", (Change("set", target, "fleiss_kappa"),), safe=False)
        yield Hit(message, route, "write `metric: fleiss_kappa` or `krippendorff_alpha`", on, fix=fix)


@rule("DAT008", WARNING, reads="data")
def majority_of_two(case: Case) -> Iterator[Hit]:
    """An even number of annotators decides by majority.

    ## Why this is bad
    Two people who disagree have no majority, and with four a tie is common: the unclear cases stay undecided.

    ## Bad
    ```yaml
    data: {labels: {annotators: 2, adjudication: majority}}
    ```

    ## Good
    ```yaml
    data: {labels: {annotators: 3, adjudication: majority}}
    ```

    ## Fix safety
    None: one more annotator costs money.

    ## Source
    Guide, "Data Quality Checklist: ambiguous cases resolved with clear rules".
    """
    labels = case.project.data.labels if case.project.data else None
    if labels is not None and labels.adjudication == "majority" and labels.annotators in (2, 4):
        message = f"{labels.annotators} annotators may tie, and a majority is to decide"
        help_text = f"let {labels.annotators + 1} people label, or write `adjudication: expert`"
        related = (("the annotators are counted here", ("data", "labels", "annotators")),)
        yield Hit(message, ("data", "labels", "adjudication"), help_text, related=related)


@rule("DAT009", (None, INFO, WARNING), reads="data")
def disagreement_undecided(case: Case) -> Iterator[Hit]:
    """Several people label each row, and nothing says who decides where they differ.

    ## Why this is bad
    Unclear cases are where a label matters most. Decided by accident, they teach the model accident.

    ## Bad
    ```yaml
    data: {labels: {annotators: 3, adjudication: null}}
    ```

    ## Good
    ```yaml
    data: {labels: {annotators: 3, adjudication: majority}}
    ```

    ## Fix safety
    None: it is a decision about people.

    ## Source
    Guide, "Data Quality Checklist: ambiguous cases resolved with clear rules".
    """
    labels = case.project.data.labels if case.project.data else None
    if labels is not None and labels.annotators and labels.annotators > 1 and labels.adjudication is None:
        message = f"{labels.annotators} people label each row, and nothing says who decides where they differ"
        yield Hit(message, ("data", "labels"), "write `adjudication: majority`, `expert` or `discussion`", "key")


@rule("DAT010", (None, INFO, WARNING), reads="data")
def large_csv(case: Case) -> Iterator[Hit]:
    """More than 100,000 rows, or 100 MB, are kept as delimited text.

    ## Why this is bad
    Text has no types, is read whole for one column and is several times as large: each run pays for it, and a value may change
    its type between two runs.

    ## Bad
    ```yaml
    data: {sources: {customers: {kind: csv}}, volume: {rows: 3000000}}
    ```

    ## Good
    ```yaml
    data: {sources: {customers: {kind: parquet}}, volume: {rows: 3000000}}
    ```

    ## Fix safety
    Unsafe for `storage.format`, which becomes parquet. None for a source: its file must be converted.

    ## Source
    Guide, "File Formats: CSV for small tabular data, Parquet for large".
    """
    size = _size(case)
    if (case.rows or 0) <= LARGE_ROWS and (size or 0) <= LARGE_SIZE:
        return
    amount = f"{case.rows:,} rows" if case.rows and case.rows > LARGE_ROWS else str(size)
    for name, source in _sources(case).items():
        if source.kind == "csv":
            help_text = "convert it once, and write `kind: parquet`"
            yield Hit(f"`{name}` is text, and there are {amount}", ("data", "sources", name, "kind"), help_text)
    storage = case.project.data.storage if case.project.data else None
    if storage is not None and storage.format in ("csv", "json"):
        route = ("data", "storage", "format")
        fix = Fix("write Parquet", (Change("set", route, "parquet"),), safe=False)
        yield Hit(f"{amount} are written as {storage.format}", route, "write `format: parquet`", fix=fix)


@rule("DAT011", WARNING, reads="data")
def growth_over_tenfold(case: Case) -> Iterator[Hit]:
    """An iteration may bring more than ten times the data.

    ## Why this is bad
    A hundredfold jump meets new formats, new outliers and limits of machines all at once; what went wrong is then hard to tell.

    ## Bad
    ```yaml
    data: {collection: {max_growth: 50}}
    ```

    ## Good
    ```yaml
    data: {collection: {max_growth: 10}}
    ```

    ## Fix safety
    Unsafe: the limit becomes 10.

    ## Source
    Guide, "Collection Strategy: scale gradually (max 10x increase per iteration)".
    """
    collection = case.project.data.collection if case.project.data else None
    if collection is not None and collection.max_growth > 10:
        route = ("data", "collection", "max_growth")
        fix = Fix("allow tenfold", (Change("set", route, 10),), safe=False)
        yield Hit(f"an iteration may bring {collection.max_growth:g} times the data", route, "write 10 or less", fix=fix)


@rule("DAT012", INFO, reads="data")
def pilot_off_the_guide(case: Case) -> Iterator[Hit]:
    """The first, small collection takes less than two days or more than seven.

    ## Why this is bad
    Shorter, it sees no weekend and no rare case; longer, the first look at real rows comes late.

    ## Bad
    ```yaml
    data: {collection: {pilot: 45 d}}
    ```

    ## Good
    ```yaml
    data: {collection: {pilot: 5 d}}
    ```

    ## Fix safety
    None: it is a plan.

    ## Source
    Guide, "Collection Strategy: start small (2-7 days) for quick validation".
    """
    collection = case.project.data.collection if case.project.data else None
    if collection is not None and collection.pilot is not None and not 2 * DAY <= collection.pilot <= 7 * DAY:
        message = f"the first collection takes {collection.pilot}"
        yield Hit(message, ("data", "collection", "pilot"), "plan 2 to 7 days, then look at the rows")


@rule("DAT013", (None, WARNING, ERROR), reads="data")
def failures_only_warned(case: Case) -> Iterator[Hit]:
    """In use, a failing check of the data warns and lets the rows through.

    ## Why this is bad
    Nobody reads the warning of a nightly run: the model is trained on the bad rows and takes the place of a good one.

    ## Bad
    ```yaml
    data: {on_failure: warn}
    ```

    ## Good
    ```yaml
    data: {on_failure: quarantine}
    ```

    ## Fix safety
    Unsafe: the run then stops at a failing check.

    ## Source
    Guide, "Common Pitfalls to Avoid: Ignoring Data Quality": implement data validation pipelines.
    """
    if case.project.data is not None and case.project.data.on_failure == "warn":
        route = ("data", "on_failure")
        fix = Fix("stop", (Change("set", route, "stop"),), safe=False)
        help_text = "write `quarantine` to set the failing rows aside, or `stop`"
        yield Hit("rows that fail their checks are trained on", route, help_text, fix=fix)


@rule("DAT014", (None, WARNING, ERROR), reads="data")
def data_not_checked(case: Case) -> Iterator[Hit]:
    """Nothing is demanded of the data: there are no checks, and no column declares a type, a bound or values.

    ## Why this is bad
    A source that changes its unit, loses a column's values or doubles its rows goes unseen into the model.

    ## Bad
    ```yaml
    data:
      checks: []
      columns: {customerID: {type: null, unique: null}, tenure: null, MonthlyCharges: null, Contract: null, Churn: {values: null}}
    evaluation: {slices: []}
    requirements: {coverage: []}
    ```

    ## Good
    ```yaml
    data: {checks: [{kind: missing, max: 5 %}]}
    ```

    ## Fix safety
    None: `mlspec run` shows the profile of the rows, from which to write down what must hold.

    ## Source
    Guide, "Common Pitfalls to Avoid: Ignoring Data Quality": implement data validation pipelines; Breck et al. (2017), "The
    ML test score".
    """
    data = case.project.data
    if data is None or data.checks or any(_demands(column) for column in data.columns.values()):
        return
    help_text = "declare columns with `type`, `min`, `max` or `values`, and add `checks`, such as {kind: missing, max: 5 %}"
    yield Hit("nothing is demanded of the rows", ("data",), help_text, "key")


def _demands(column: Any) -> bool:
    keys = ("type", "min", "max", "values", "pattern", "nullable")
    return bool(column.unique) or any(getattr(column, key) is not None for key in keys)


@rule("DAT015", (None, INFO, WARNING), reads="data task features")
def columns_not_declared(case: Case) -> Iterator[Hit]:
    """No feature is declared, so that every column of the sources becomes one.

    ## Why this is bad
    A column that is added to the source tomorrow is a feature tomorrow, without anybody having looked whether it leaks.

    ## Bad
    ```yaml
    data: {columns: {tenure: null, MonthlyCharges: null, Contract: null}}
    evaluation: {slices: []}
    requirements: {coverage: []}
    ```

    ## Good
    ```yaml
    data: {columns: {tenure: {type: integer}}}
    ```

    ## Fix safety
    None: each column wants a look.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage": feature audit; "Data Management: data dictionaries".
    """
    data = case.project.data
    selected = any(transform.kind == "select" for transform in case.project.features)
    if data is None or case.features or case.target is None or selected or case.by_role("time"):
        return
    route: Route = ("data", "columns") if data.columns else ("data",)
    yield Hit(
        "no feature is declared: every column of the sources is one", route, "declare the columns that the model may see", "key"
    )


@rule("DAT016", WARNING, reads="data task")
def target_may_be_missing(case: Case) -> Iterator[Hit]:
    """The target is declared nullable.

    ## Why this is bad
    A row without a target teaches nothing and cannot be judged. It is set aside in any case, and how many such rows there are
    should be a fault that is seen.

    ## Bad
    ```yaml
    data: {columns: {Churn: {nullable: true}}}
    ```

    ## Good
    ```yaml
    data: {columns: {Churn: {nullable: false}}}
    ```

    ## Fix safety
    Unsafe: rows without a target are set aside either way; from now on they also fail a check.

    ## Source
    Guide, "Common Pitfalls to Avoid: Ignoring Data Quality"; the language: a row without a target is always set aside.
    """
    column = case.columns.get(case.target or "")
    if column is not None and column.nullable:
        route = ("data", "columns", case.target or "", "nullable")
        fix = Fix("demand a target", (Change("set", route, False),), safe=False)
        yield Hit(f"`{case.target}` is the target, and may be missing", route, "write `nullable: false`", fix=fix)


@rule("DAT017", WARNING, reads="data hardware")
def pandas_needs_more_memory(case: Case) -> Iterator[Hit]:
    """The data is processed by pandas, and five times its size is more than the machine's memory.

    ## Why this is bad
    pandas holds whole tables and copies of them: a run that works on today's rows is killed on tomorrow's.

    ## Bad
    ```yaml
    data: {engine: pandas, volume: {size: 4 GB}}
    ```

    ## Good
    ```yaml
    data: {engine: polars, volume: {size: 4 GB}}
    ```

    ## Fix safety
    Unsafe: the engine becomes auto, which reads in streams.

    ## Source
    McKinney (2017), "Apache Arrow and the 10 things I hate about pandas": have 5 to 10 times as much memory as data; guide,
    "Storage Options Comparison".
    """
    data, machine, size = case.project.data, case.project.hardware.training, _size(case)
    if data is None or data.engine != "pandas" or size is None or machine is None or machine.memory is None:
        return
    if size * COPIES_IN_PANDAS > machine.memory:
        needed = Bytes(-(-size * COPIES_IN_PANDAS // 2**30) * 2**30)
        related = (
            ("the size is given here", ("data", "volume", "size")),
            ("the memory here", ("hardware", "training", "memory")),
        )
        fix = Fix("read in streams", (Change("set", ("data", "engine"), "auto"),), safe=False)
        message = f"{size} of data want about {needed} of memory in pandas, and the machine has {machine.memory}"
        yield Hit(message, ("data", "engine"), f"write `engine: auto`, or ask for {needed}", related=related, fix=fix)


@rule("DAT018", INFO, reads="data")
def cluster_for_small_data(case: Case) -> Iterator[Hit]:
    """A cluster engine (Spark, Dask, Ray) is asked for less than 10 GB or ten million rows.

    ## Why this is bad
    One machine does that in less time than a cluster takes to start, without anybody having to run the cluster.

    ## Bad
    ```yaml
    data: {engine: spark, volume: {rows: 70000}}
    ```

    ## Good
    ```yaml
    data: {engine: auto, volume: {rows: 70000}}
    ```

    ## Fix safety
    Unsafe: the engine becomes auto.

    ## Source
    McSherry, Isard, Murray (2015), "Scalability! But at what COST?"; measured: the ten million rows of our benchmark are read and
    split on two cores, in streams.
    """
    data, size = case.project.data, _size(case)
    if data is None or data.engine not in CLUSTERS or (size is None and case.rows is None):
        return
    if (size or 0) < 10**10 and (case.rows or 0) <= 10**7:
        amount = str(size) if size else f"{case.rows:,} rows"
        fix = Fix("work on one machine", (Change("set", ("data", "engine"), "auto"),), safe=False)
        yield Hit(f"{amount} do not need {data.engine}", ("data", "engine"), "write `engine: auto`", fix=fix)


@rule("DAT019", (None, None, WARNING), reads="data")
def local_storage_in_production(case: Case) -> Iterator[Hit]:
    """In production, processed data is kept in local files.

    ## Why this is bad
    Files on one machine are gone with it, and no other machine can take over its work.

    ## Bad
    ```yaml
    data: {storage: {kind: local, url: null}}
    ```

    ## Good
    ```yaml
    data: {storage: {kind: lake}}
    ```

    ## Fix safety
    None: a place for the data must be there first.

    ## Source
    Guide, "Storage Options Comparison": local files for small projects and development.
    """
    storage = case.project.data.storage if case.project.data else None
    if storage is not None and storage.kind == "local":
        route, on = place(case, "data", "storage", "kind")
        yield Hit("processed data is kept in files of one machine", route, "write `kind: cloud`, `warehouse` or `lake`", on)


@rule("DAT020", (None, None, WARNING), reads="data")
def data_not_backed_up(case: Case) -> Iterator[Hit]:
    """In production, nothing says how much data may be lost and how fast it must be back.

    ## Why this is bad
    Labels and history cannot be collected again. Whoever restores them needs to know what was promised.

    ## Bad
    ```yaml
    data: {storage: {backup: null}}
    ```

    ## Good
    ```yaml
    data: {storage: {backup: {recovery_point: 1 d, recovery_time: 4 h}}}
    ```

    ## Fix safety
    None: it is a promise.

    ## Source
    Guide, "Best Practices: Data Management: backup strategy, disaster recovery plans".
    """
    data = case.project.data
    if data is not None and (data.storage is None or data.storage.backup is None):
        route: Route = ("data", "storage") if data.storage is not None else ("data",)
        help_text = "write `storage.backup`, such as {recovery_point: 1 d, recovery_time: 4 h}"
        yield Hit("nothing says how the data is backed up", route, help_text, "key")


@rule("DAT021", WARNING, reads="data task")
def column_that_never_varies(case: Case) -> Iterator[Hit]:
    """A feature or the target can only have one value.

    ## Why this is bad
    A constant tells nothing, and a target with one class cannot be learned.

    ## Bad
    ```yaml
    data: {columns: {country: {type: category, values: [FR]}}}
    ```

    ## Good
    ```yaml
    data: {columns: {country: {type: category, values: [FR, DE]}}}
    ```

    ## Fix safety
    None: list the other values, or give the column the role ignore.

    ## Source
    Guide, "Common Pitfalls to Avoid: Ignoring Data Quality"; Breck et al. (2017), "The ML test score".
    """
    for name in [*case.features, *([case.target] if case.target in case.columns else [])]:
        column = case.columns[str(name)]
        if column.values is not None and len({str(value) for value in column.values}) == 1:
            yield _constant(str(name), "values", column.values[0])
        elif column.min is not None and column.min == column.max:
            yield _constant(str(name), "min", column.min)


def _constant(name: str, key: str, value: Any) -> Hit:
    help_text = "write down every value that may occur, or give the column `role: ignore`"
    return Hit(f"`{name}` can only be {value}", ("data", "columns", name, key), help_text)


@rule("DAT022", WARNING, reads="data")
def value_listed_twice(case: Case) -> Iterator[Hit]:
    """A list of values has the same one twice.

    ## Why this is bad
    Often the second was to be another one, which is then refused when it comes.

    ## Bad
    ```yaml
    data: {columns: {Contract: {values: [Month-to-month, One year, One year]}}}
    ```

    ## Good
    ```yaml
    data: {columns: {Contract: {values: [Month-to-month, One year, Two year]}}}
    ```

    ## Fix safety
    Unsafe: the repetition is taken out; it may have been meant for another value.

    ## Source
    Guide, "Common Pitfalls to Avoid: Ignoring Data Quality"; the language: `values` are all that may occur, in order.
    """
    for name, column in case.columns.items():
        counts = Counter(str(value) for value in column.values or ())
        seen: set[str] = set()
        for index, value in enumerate(column.values or ()):
            if counts[str(value)] > 1 and str(value) in seen:
                route = ("data", "columns", name, "values", index)
                fix = Fix("take it out", (Change("remove", route),), safe=False)
                yield Hit(f"`{value}` is listed before", route, "take it out, or write the value that was meant", fix=fix)
            seen.add(str(value))


@rule("DAT023", WARNING, reads="data task")
def full_join_without_targets(case: Case) -> Iterator[Hit]:
    """A join keeps the rows of both sources, so that rows of one have no columns of the other.

    ## Why this is bad
    Rows that are only in the source without the target have none, and are set aside; the others get gaps that no row in use has.

    ## Bad
    ```yaml
    data:
      sources: {usage: {kind: parquet, path: data/usage.parquet, origin: internal, description: one row a customer}}
      join: [{left: customers, right: usage, on: customerID, how: full}]
    ```

    ## Good
    ```yaml
    data:
      sources: {usage: {kind: parquet, path: data/usage.parquet, origin: internal, description: one row a customer}}
      join: [{left: customers, right: usage, on: customerID, how: left}]
    ```

    ## Fix safety
    Unsafe: the join becomes a left one, and rows that are only on the right are gone.

    ## Source
    Guide, "Data Pipelines: Data Validation"; the language: a row without a target is always set aside.
    """
    if case.target is None or case.project.data is None:
        return
    for index, join in enumerate(case.project.data.join):
        if join.how == "full":
            route = ("data", "join", index, "how")
            fix = Fix("keep the rows of the left", (Change("set", route, "left"),), safe=False)
            message = f"rows that only `{join.right}` has, or only `{join.left}`, lack the columns of the other"
            yield Hit(message, route, "write `how: left`, with the source of the target on the left", fix=fix)


@rule("DAT024", INFO, reads="data")
def inner_join_drops_rows(case: Case) -> Iterator[Hit]:
    """A join drops the rows that have no match.

    ## Why this is bad
    Who is missing in the second source is seldom missing by chance: the model is trained on those with a full record, and asked
    about all.

    ## Bad
    ```yaml
    data:
      sources: {usage: {kind: parquet, path: data/usage.parquet, origin: internal, description: one row a customer}}
      join: [{left: customers, right: usage, on: customerID, how: inner}]
    ```

    ## Good
    ```yaml
    data:
      sources: {usage: {kind: parquet, path: data/usage.parquet, origin: internal, description: one row a customer}}
      join: [{left: customers, right: usage, on: customerID, how: left}]
    ```

    ## Fix safety
    Unsafe: the join becomes a left one, and columns of the right may be missing.

    ## Source
    Guide, "Feedback Loop Issues: selection bias"; Heckman (1979), "Sample selection bias as a specification error".
    """
    for index, join in enumerate(case.project.data.join if case.project.data else ()):
        if join.how == "inner":
            route = ("data", "join", index, "how")
            fix = Fix("keep the rows of the left", (Change("set", route, "left"),), safe=False)
            help_text = "write `how: left`, and a check {kind: missing} that says how many may lack a match"
            yield Hit(f"rows of `{join.left}` without a match in `{join.right}` are dropped", route, help_text, fix=fix)


@rule("DAT025", WARNING, reads="data")
def same_file_twice(case: Case) -> Iterator[Hit]:
    """Two sources that are stacked read the same file.

    ## Why this is bad
    Each of its rows counts twice: in the classes, in the metrics and in the model.

    ## Bad
    ```yaml
    data:
      sources: {again: {kind: parquet, path: data/customers.parquet, origin: internal, description: the same}}
      union: {source_column: source}
    ```

    ## Good
    ```yaml
    data:
      sources: {second: {kind: parquet, path: data/customers_2025.parquet, origin: internal, description: the second year}}
      union: {source_column: source}
    ```

    ## Fix safety
    None: one of the two paths may be a slip.

    ## Source
    Guide, "Data Pipelines: Data Ingestion"; Lee et al. (2022), "Deduplicating training data makes language models better".
    """
    if case.project.data is None or case.project.data.union is None:
        return
    first: dict[Any, str] = {}
    for name, source in _sources(case).items():
        path = getattr(source, "path", None) or getattr(source, "url", None)
        if path and path in first:
            related = (("and here", ("data", "sources", first[path], "path")),)
            message = f"`{first[path]}` reads the same: its rows come twice"
            yield Hit(
                message, ("data", "sources", name, "path"), "name another file, or leave one of the two out", related=related
            )
        elif path:
            first[path] = name


@rule("DAT026", INFO, reads="data")
def stacked_sources_unmarked(case: Case) -> Iterator[Hit]:
    """Sources are stacked, and no column says which one a row came from.

    ## Why this is bad
    Where sources differ in quality or in people, you will want to see the model's figures for each: afterwards it is too late.

    ## Bad
    ```yaml
    data:
      sources: {second: {kind: parquet, path: data/more.parquet, origin: internal, description: the second year}}
      union: {}
    ```

    ## Good
    ```yaml
    data:
      sources: {second: {kind: parquet, path: data/more.parquet, origin: internal, description: the second year}}
      union: {source_column: year}
    ```

    ## Fix safety
    None: the column is a feature, unless you give it the role ignore.

    ## Source
    Guide, "Data Lineage Tracking: provenance: track data sources and origin".
    """
    data = case.project.data
    if data is not None and data.union is not None and data.union.source_column is None and len(data.sources) > 1:
        names = ", ".join(data.sources)
        yield Hit(f"no column says whether a row came from {names}", ("data", "union"), "write `source_column`", "key")


@rule("DAT027", WARNING, reads="data retraining")
def retrained_without_new_data(case: Case) -> Iterator[Hit]:
    """The model is trained more often than its data is renewed.

    ## Why this is bad
    Training on the same rows gives the same model: it costs machine time, and approvals nobody reads.

    ## Bad
    ```yaml
    data: {sources: {customers: {refresh: monthly}}}
    retraining: {schedule: daily}
    ```

    ## Good
    ```yaml
    data: {sources: {customers: {refresh: monthly}}}
    retraining: {schedule: monthly}
    ```

    ## Fix safety
    None: either number may be the wrong one.

    ## Source
    Guide, "Automated Retraining Pipeline"; the language: a run over unchanged data has nothing to do.
    """
    retraining, sources = case.project.retraining, _sources(case)
    refreshes = {name: getattr(source, "refresh", None) for name, source in sources.items()}
    if retraining is None or retraining.schedule is None or not refreshes or None in refreshes.values():
        return
    every = period(retraining.schedule)
    name, quickest = min(refreshes.items(), key=lambda pair: _renewed(str(pair[1])))
    if _renewed(str(quickest)) > every * 1.5:
        message = f"the model is trained every {spoken(every)}, and its data is renewed {quickest}"
        help_text = "train when there is new data: `on: [new_data]`, or a schedule as slow as the data"
        yield Hit(message, ("retraining", "schedule"), help_text, related=(("the data", ("data", "sources", name, "refresh")),))


def _renewed(refresh: str) -> float:
    """Return how many seconds pass between two deliveries."""
    if refresh in ("continuous", "never"):
        return 0.0 if refresh == "continuous" else float("inf")
    return 31_557_600.0 if refresh == "yearly" else period(refresh)


@rule("DAT028", WARNING, reads="data")
def missing_check_too_loose(case: Case) -> Iterator[Hit]:
    """A check of missing values lets at least half of a column be missing.

    ## Why this is bad
    It passes while a feed is half dead: that is the day it was written for.

    ## Bad
    ```yaml
    data: {checks: [{kind: missing, max: 60 %}]}
    ```

    ## Good
    ```yaml
    data: {checks: [{kind: missing, max: 5 %}]}
    ```

    ## Fix safety
    None: the right share is a little above what is usual.

    ## Source
    Guide, "Common Pitfalls to Avoid: Ignoring Data Quality".
    """
    for index, check in enumerate(case.project.data.checks if case.project.data else ()):
        share = getattr(check, "max", None)
        if check.kind == "missing" and isinstance(share, Percent) and share >= 0.5:
            route = ("data", "checks", index, "max")
            yield Hit(f"{share} of a column may be missing", route, "write a share a little above what is usual, such as 5 %")


@rule("DAT029", ERROR, reads="data")
def row_count_that_cannot_pass(case: Case) -> Iterator[Hit]:
    """A check of the number of rows contradicts the number that is declared.

    ## Why this is bad
    With the rows that are expected, every run stops.

    ## Bad
    ```yaml
    data: {checks: [{kind: row_count, min: 100000}], volume: {rows: 70000}}
    ```

    ## Good
    ```yaml
    data: {checks: [{kind: row_count, min: 60000}], volume: {rows: 70000}}
    ```

    ## Fix safety
    None: either number may be the wrong one.

    ## Source
    The language: `volume.rows` are the rows that are expected; guide, "Data Validation: check quality and schema".
    """
    data = case.project.data
    expected = data.volume.rows if data is not None and data.volume is not None else None
    if data is None or expected is None:
        return
    for index, check in enumerate(data.checks):
        if check.kind != "row_count":
            continue
        low, high = getattr(check, "min", None), getattr(check, "max", None)
        wrong = ("min", low, "at least") if (low or 0) > expected else ("max", high, "at most")
        if wrong[1] is not None and (wrong[0] == "min" or wrong[1] < expected):
            message = f"{expected:,} rows are expected, and the check wants {wrong[2]} {wrong[1]:,}"
            related = (("the rows are given here", ("data", "volume", "rows")),)
            yield Hit(message, ("data", "checks", index, wrong[0]), "change one of the two", related=related)


@rule("DAT030", WARNING, reads="data")
def duplicates_check_is_blind(case: Case) -> Iterator[Hit]:
    """A check for repeated rows compares a column that is unique, so that it never finds one.

    ## Why this is bad
    Two rows that are alike but for their number are what such a check is for; with the number compared, none are alike.

    ## Bad
    ```yaml
    data: {checks: [{kind: duplicates}]}
    ```

    ## Good
    ```yaml
    data: {checks: [{kind: duplicates, ignore: [customerID]}]}
    ```

    ## Fix safety
    Unsafe: the unique columns are ignored; the check may then fail.

    ## Source
    The language: `duplicates` compares every column but those in `ignore`; guide, "Data Validation: check quality and schema".
    """
    unique = [name for name, column in case.columns.items() if column.unique]
    for index, check in enumerate(case.project.data.checks if case.project.data else ()):
        compared = [name for name in unique if name not in getattr(check, "ignore", ())]
        if check.kind == "duplicates" and compared:
            route = ("data", "checks", index)
            ignored = [*getattr(check, "ignore", ()), *compared]
            fix = Fix(f"ignore {', '.join(compared)}", (Change("set", (*route, "ignore"), ignored),), safe=False)
            related = (("it is declared unique here", ("data", "columns", compared[0], "unique")),)
            message = f"`{compared[0]}` is unique, so that no two rows are ever equal"
            yield Hit(message, route, f"write `ignore: [{', '.join(ignored)}]`", related=related, fix=fix)


@rule("DAT031", (None, INFO, WARNING), reads="augmentation")
def augmentation_not_reviewed(case: Case) -> Iterator[Hit]:
    """An augmentation that rewrites a row has not been looked at by people.

    Paraphrases, back-translations and code of your own may change what a row means, and with it the right label.

    ## Why this is bad
    A sentence that lost its "not" keeps its label: the model learns it wrong, and no metric on real rows says why.

    ## Bad
    ```yaml
    augmentation: [{kind: paraphrase}]
    ```

    ## Good
    ```yaml
    augmentation: [{kind: paraphrase, review: {human_label_accuracy: 0.97}}]
    ```

    ## Fix safety
    None: somebody must label a sample.

    ## Source
    Guide, "Augmentation Quality Criteria: humans can correctly label augmented data; preserves original meaning/class".
    """
    for index, one in enumerate(case.project.augmentation):
        if one.kind in REWRITERS and (one.review is None or one.review.human_label_accuracy is None):
            help_text = "let people label a sample, and write `review: {human_label_accuracy: …}`"
            yield Hit(f"`{one.kind}` may change a row's label, and nobody has looked", ("augmentation", index, "kind"), help_text)


@rule("DAT032", WARNING, reads="augmentation data")
def augmentation_changes_labels(case: Case) -> Iterator[Hit]:
    """People label augmented rows worse than 90 % right, or worse than the rows they were made of.

    ## Why this is bad
    At this share of wrong labels, each made-up row teaches a little of the wrong thing.

    ## Bad
    ```yaml
    augmentation: [{kind: noise, review: {human_label_accuracy: 0.8}}]
    ```

    ## Good
    ```yaml
    augmentation: [{kind: noise, strength: 0.2, review: {human_label_accuracy: 0.96}}]
    ```

    ## Fix safety
    None: lower the strength, and look again.

    ## Source
    Guide, "Augmentation Quality Criteria: humans can correctly label augmented data".
    """
    labels = case.project.data.labels if case.project.data else None
    human = labels.human_level if labels is not None else None
    least = human.value if human is not None and human.metric == "accuracy" else 0.9
    for index, one in enumerate(case.project.augmentation):
        found = one.review.human_label_accuracy if one.review is not None else None
        if found is not None and found < least:
            route = ("augmentation", index, "review", "human_label_accuracy")
            message = (
                f"people label {100 * found:g} % of the rows that `{one.kind}` makes right, and {100 * least:g} % is the least"
            )
            yield Hit(message, route, "lower its `strength`, or leave it out")
