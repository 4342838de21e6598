"""What a task needs to be said before it can be solved: cycles and horizons of forecasts, the unknown of recommenders."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.rules import ERROR, INFO, WARNING, Case, Hit, rule


@rule("TSK001", (INFO, WARNING, WARNING), reads="task")
def forecast_without_seasonality(case: Case) -> Iterator[Hit]:
    """A forecast does not say how long a cycle of its series is.

    ## Why this is bad
    Most series of a business repeat by day, week or year. A model, a baseline and a backtest that do not know the cycle compare a
    Monday with a Sunday.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: sales}
    task: {kind: forecasting, target: sales, horizon: 7}
    data: {sources: {days: {kind: csv, path: sales.csv}}, columns: {day: {role: time, type: date}}}
    splits: {time: day}
    model: {kind: sklearn.ridge}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: sales}
    task: {kind: forecasting, target: sales, horizon: 7, seasonality: 7 d}
    data: {sources: {days: {kind: csv, path: sales.csv}}, columns: {day: {role: time, type: date}}}
    splits: {time: day}
    model: {kind: sklearn.ridge}
    ```

    ## Fix safety
    None: only the data can say how long its cycle is.

    ## Source
    Guide, "Model Selection: time series, consider seasonality and trends".
    """
    if case.task == "forecasting" and not case.wrote("task", "seasonality"):
        yield Hit(
            "nothing says how long a cycle of the series is", ("task",), help="write `seasonality: 7 d`, or what it is", on="key"
        )


@rule("TSK002", (INFO, WARNING, ERROR), reads="task")
def forecast_without_horizon(case: Case) -> Iterator[Hit]:
    """A forecast does not say how far ahead it looks.

    ## Why this is bad
    The error of a forecast grows with its distance: a score means nothing without the number of steps that it is for.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: sales}
    task: {kind: forecasting, target: sales, seasonality: 7 d}
    data: {sources: {days: {kind: csv, path: sales.csv}}, columns: {day: {role: time, type: date}}}
    splits: {time: day}
    model: {kind: sklearn.ridge}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: sales}
    task: {kind: forecasting, target: sales, seasonality: 7 d, horizon: 7}
    data: {sources: {days: {kind: csv, path: sales.csv}}, columns: {day: {role: time, type: date}}}
    splits: {time: day}
    model: {kind: sklearn.ridge}
    ```

    ## Fix safety
    None: the use of the forecast decides how far ahead it must look.

    ## Source
    Hyndman and Athanasopoulos (2021), Forecasting: Principles and Practice, 5.10: errors by horizon.
    """
    if case.task == "forecasting" and not case.wrote("task", "horizon"):
        yield Hit(
            "nothing says how many steps ahead the forecast looks",
            ("task",),
            help="write `horizon: 7`, or what is needed",
            on="key",
        )


@rule("TSK003", (WARNING, ERROR, ERROR), reads="task")
def recommender_without_cold_start(case: Case) -> Iterator[Hit]:
    """A recommender does not say what it does for users and items that it has never seen.

    ## Why this is bad
    Collaborative filtering knows nothing of a new user or a new item: without a plan it fails, or shows nothing, for exactly the
    people one wants to win.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: shop}
    task: {kind: recommendation, user: customer, item: product}
    data: {sources: {orders: {kind: csv, path: orders.csv}}, columns: {order: {role: id, type: string}}}
    model: {kind: sklearn.ridge}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: shop}
    task: {kind: recommendation, user: customer, item: product, cold_start: {new_user: popular}}
    data: {sources: {orders: {kind: csv, path: orders.csv}}, columns: {order: {role: id, type: string}}}
    model: {kind: sklearn.ridge}
    ```

    ## Fix safety
    None: what a stranger is shown is a decision of the product.

    ## Source
    Guide, "Recommendation Systems: cold start problem".
    """
    if case.task == "recommendation" and not case.wrote("task", "cold_start"):
        help_text = "write `cold_start: {new_user: popular, new_item: content, new_system: popular}`, or what is meant"
        yield Hit("nothing says what a new user is shown, or who sees a new item", ("task",), help=help_text, on="key")


@rule("TSK004", ERROR, reads="task")
def recommender_of_nobody(case: Case) -> Iterator[Hit]:
    """A recommender does not say which column holds its users, or which its items.

    ## Why this is bad
    A recommendation is an item for a user: without these two columns there is nothing to learn.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: shop}
    task: {kind: recommendation, user: customer, cold_start: {new_user: popular}}
    data: {sources: {orders: {kind: csv, path: orders.csv}}, columns: {order: {role: id, type: string}}}
    model: {kind: sklearn.ridge}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: shop}
    task: {kind: recommendation, user: customer, item: product, cold_start: {new_user: popular}}
    data: {sources: {orders: {kind: csv, path: orders.csv}}, columns: {order: {role: id, type: string}}}
    model: {kind: sklearn.ridge}
    ```

    ## Fix safety
    None: only you know which column it is.

    ## Source
    Guide, "Recommendation Systems".
    """
    if case.task == "recommendation":
        lacking = [name for name in ("user", "item") if not case.wrote("task", name)]
        for name in lacking:
            yield Hit(f"nothing says which column holds the {name}s", ("task",), help=f"write `{name}: COLUMN`", on="key")
