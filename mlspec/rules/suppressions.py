"""Faults of the comments that silence a finding."""

from __future__ import annotations

from mlspec.rules._rule import INFO, WARNING, fault


@fault("SUP001", WARNING)
def unused_suppression() -> None:
    """A comment silences a finding that is not there.

    A rule that did not run, because it is not selected or because the spec has errors, is not held against the comment.

    ## Why this is bad
    The fault it excused has been mended, or stands on another line. The comment waits to hide the next one.

    ## Bad
    ```yaml
    data:
      columns:
        tenure: {role: feature}  # mlspec: ignore[id-as-feature] reason="it is a count of months"
    ```

    ## Good
    ```yaml
    data:
      columns:
        tenure: {role: feature}
    ```

    ## Fix safety
    Safe: the comment is removed, or the rule's name in it; nothing that the spec says changes.

    ## Source
    Our own language; the same check as ruff's RUF100 and mypy's warn_unused_ignores.
    """


@fault("SUP002", WARNING)
def expired_suppression() -> None:
    """A comment says until when a finding may stay, and that day is over.

    The finding is told again, too. The day itself still counts.

    ## Why this is bad
    Somebody promised to mend this by a day that has passed.

    ## Bad
    ```yaml
    project: {phase: production}
    data:
      # mlspec: ignore[unique-column-as-feature] reason="the bank wants to see it" until=2020-01-01
      columns: {customerID: {role: feature, unique: true}}
    ```

    ## Good
    ```yaml
    data: {columns: {customerID: {role: id, unique: true}}}
    ```

    ## Fix safety
    None: whether the promise is kept or made anew is for people to say.

    ## Source
    Our own language.
    """


@fault("SUP003", WARNING)
def unknown_suppression() -> None:
    """A comment silences a rule that does not exist.

    ## Why this is bad
    It silences nothing: the name has a typo, or the rule has gone.

    ## Bad
    ```yaml
    data:
      columns:
        tenure: {role: feature}  # mlspec: ignore[id-as-featur] reason="it is a count of months"
    ```

    ## Good
    ```yaml
    data:
      columns:
        tenure: {role: feature}
    ```

    ## Fix safety
    None: the message says which rule may have been meant.

    ## Source
    Our own language.
    """


@fault("SUP004", (None, None, INFO))
def suppression_without_reason() -> None:
    """A comment silences a finding and does not say why.

    ## Why this is bad
    Who reads it in a year cannot know whether the reason still holds.

    ## Bad
    ```yaml
    project: {phase: production}
    data:
      columns:
        tenure: {role: feature}  # mlspec: ignore[id-as-feature]
    ```

    ## Good
    ```yaml
    project: {phase: production}
    data:
      columns:
        tenure: {role: feature}  # mlspec: ignore[id-as-feature] reason="it is a count of months"
    ```

    ## Fix safety
    None: only its author knows the reason.

    ## Source
    Our own language; the guide's "Documentation" asks for the reason of every decision.
    """


@fault("SUP005", WARNING)
def malformed_suppression() -> None:
    """A comment looks as if it silenced something, and cannot be read.

    It names the rules in brackets, then perhaps `reason="…"` and `until=YEAR-MONTH-DAY`; `ignore-file` stands above the first
    key. Errors of the language leave no project, so that nothing can silence them.

    ## Why this is bad
    It silences nothing, though its author thinks it does.

    ## Bad
    ```yaml
    data:
      columns:
        tenure: {role: feature}  # mlspec: ignore[id-as-feature] until=tomorrow
    ```

    ## Good
    ```yaml
    data:
      columns:
        tenure: {role: feature}
    ```

    ## Fix safety
    None: what was meant is not known.

    ## Source
    Our own language.
    """
