"""The pages of faults of layers: `extends`, `environments`, `--env` and `--set`."""

from __future__ import annotations

from mlspec.rules._rule import fault


@fault("LAY001")
def bad_extends() -> None:
    """`extends` is neither the name of a file nor a list of them.

    ## Why this is bad
    What it should name is laid under the spec; without it, nothing of that holds.

    ## Bad
    ```yaml
    extends: 3
    mlspec: 1
    project: {name: x}
    ```

    ## Good
    ```yaml
    splits: {seed: 8}
    ```

    ## Fix safety
    None: write a path relative to this file.

    ## Source
    The language: `extends`.
    """


@fault("LAY002")
def extends_cycle() -> None:
    """A file extends itself, directly or through others.

    ## Why this is bad
    Each would have to be laid under the other first.

    ## Bad
    ```yaml
    extends: spec.yaml
    mlspec: 1
    project: {name: x}
    ```

    ## Good
    ```yaml
    splits: {seed: 8}
    ```

    ## Fix safety
    None: remove one of the references.

    ## Source
    The language: `extends`.
    """


@fault("LAY003")
def too_many_files() -> None:
    """A spec is made of more than 64 files.

    ## Why this is bad
    Nobody can tell any more which file sets a value.

    ## Bad
    ```yaml
    # each of which extends two more, and so on
    extends: [one.yaml, two.yaml]
    ```

    ## Good
    ```yaml
    extends: [base.yaml]
    ```

    ## Fix safety
    None.

    ## Source
    The language: a limit that keeps hostile files harmless.
    """


@fault("LAY004")
def bad_environments() -> None:
    """`environments`, or one of its overlays, is not a mapping.

    ## Why this is bad
    An overlay is a part of a spec that is laid over the rest by its name.

    ## Bad
    ```yaml
    environments: {prod: 3}
    ```

    ## Good
    ```yaml
    environments: {prod: {splits: {seed: 8}}}
    ```

    ## Fix safety
    None: write the keys that the overlay changes.

    ## Source
    The language: `environments`.
    """


@fault("LAY005")
def misplaced_key() -> None:
    """An overlay holds `extends` or `environments`.

    ## Why this is bad
    An overlay is laid over a spec that has been put together already; these two keys would come too late.

    ## Bad
    ```yaml
    environments:
      prod: {extends: other.yaml}
    ```

    ## Good
    ```yaml
    environments:
      prod: {splits: {seed: 8}}
    ```

    ## Fix safety
    None: move the key to the top of the file.

    ## Source
    The language: `environments`.
    """


@fault("LAY006")
def unknown_environment() -> None:
    """There is no environment of the name that was asked for.

    ## Why this is bad
    Without its overlay, the spec is another one than was meant, such as development's in place of production's.

    ## Bad
    ```yaml
    # mlspec lint spec.yaml --env prd
    environments: {prod: {splits: {seed: 8}}}
    ```

    ## Good
    ```yaml
    # mlspec lint spec.yaml --env prod
    environments: {prod: {splits: {seed: 8}}}
    ```

    ## Fix safety
    None: correct the name.

    ## Source
    The language: `--env` names an overlay of `environments`.
    """


@fault("LAY007")
def not_a_mapping() -> None:
    """A spec is not a mapping of sections.

    ## Why this is bad
    A list or a text has no sections that could be checked.

    ## Bad
    ```yaml
    mlspec: 1
    extends: [base.yaml, more.yaml]
    ```
    ```yaml more.yaml
    - splits
    ```

    ## Good
    ```yaml
    mlspec: 1
    extends: [base.yaml, more.yaml]
    ```
    ```yaml more.yaml
    splits: {seed: 8}
    ```

    ## Fix safety
    None: begin with `mlspec: 1`.

    ## Source
    The language: a spec is a mapping.
    """


@fault("LAY008")
def bad_route() -> None:
    """A `--set` names no place of the spec.

    ## Why this is bad
    The value would be set nowhere, and the run would not be the one that was asked for.

    ## Bad
    ```yaml
    # mlspec lint spec.yaml --set splits[0].seed=8
    splits: {seed: 7}
    ```

    ## Good
    ```yaml
    # mlspec lint spec.yaml --set splits.seed=8
    splits: {seed: 7}
    ```

    ## Fix safety
    None: name a key or a position that the spec has.

    ## Source
    The language: `--set ROUTE=VALUE`.
    """


@fault("LAY009")
def empty_value() -> None:
    """A `--set` has no value.

    ## Why this is bad
    Whether null or an empty text is meant changes the spec.

    ## Bad
    ```yaml
    # mlspec lint spec.yaml --set splits.seed=
    splits: {seed: 7}
    ```

    ## Good
    ```yaml
    # mlspec lint spec.yaml --set splits.seed=null
    splits: {seed: 7}
    ```

    ## Fix safety
    None: write null to remove the key, or `""` for an empty text.

    ## Source
    The language: `--set ROUTE=VALUE`.
    """
