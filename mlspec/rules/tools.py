"""Rules about tools that are dead, renamed, wrong or under another licence than people think: each says what replaced it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlspec.diagnostic import Change, Fix, Route
from mlspec.regex import lazy
from mlspec.rules._case import Case
from mlspec.rules._rule import INFO, WARNING, Hit, rule
from mlspec.rules._secrets import LONGEST

TALK = frozenset(
    {
        "problem", "description", "statement", "risk", "mitigation", "exit", "rationale", "owner", "contact", "reason", "license",
        "alternatives", "name", "role", "unit", "values",
    }
)  # fmt: skip
"""Keys whose text is talk: that somebody once used a tool is no fault."""


def mentions(case: Case, pattern: re.Pattern[str], *words: str) -> Iterator[tuple[Route, str]]:
    """Yield (route, word) of every kind, entrypoint, image, command and other setting that a pattern is found in.

    The word is what was found, of a text of one word the whole: a command may hold a secret beside it. One of `words`, in small
    letters, stands in whatever the pattern finds: without any of them nothing is searched.
    """
    if not case.says(*words):
        return
    for route, text in case.texts():
        if TALK.isdisjoint(route[-2:]) and route[:2] != ("data", "columns") and (found := pattern.search(text, 0, LONGEST)):
            yield route, text if re.fullmatch(r"[\w.:-]{1,60}", text) else found[0]


def _kind(route: Route, text: str, kind: str, known: frozenset[str]) -> Fix | None:
    """Return the fix that writes another kind, where the whole text is a kind that one of the language replaces."""
    if route[-1] in ("kind", "engine") and text.lower().replace("-", "_") in known:
        return Fix(f"use {kind}", (Change("set", route, kind),), safe=False)
    return None


IMGAUG = lazy(r"\bimgaug\b|\bimgaug\.", re.IGNORECASE)


@rule("TOO001", WARNING)
def imgaug_is_abandoned(case: Case) -> Iterator[Hit]:
    """imgaug is used, which nobody has worked on since 2020.

    ## Why this is bad
    It does not run with NumPy 1.24 or later, and nobody will mend it.

    ## Bad
    ```yaml
    augmentation: [{kind: custom, entrypoint: "imgaug.augmenters:Fliplr"}]
    ```

    ## Good
    ```yaml
    augmentation: [{kind: custom, entrypoint: "torchvision.transforms.v2:RandomHorizontalFlip"}]
    ```

    ## Fix safety
    None: names and numbers differ from library to library.

    ## Source
    The guide, "Unstructured Data Augmentation: imgaug"; its last commit is of June 2020, https://github.com/aleju/imgaug.
    """
    for route, word in mentions(case, IMGAUG, "imgaug"):
        yield Hit(
            f"`{word}`: imgaug has had no commit since June 2020 and does not run with NumPy 1.24 or later",
            route,
            help="use the kinds `rotate`, `flip`, `crop`, `color`; or torchvision's transforms v2",
        )


ALBUMENTATIONS = lazy(r"\balbumentations\b", re.IGNORECASE)


@rule("TOO002", WARNING)
def albumentations_is_unmaintained(case: Case) -> Iterator[Hit]:
    """albumentations is used, which is no longer maintained.

    ## Why this is bad
    Faults stay; and its successor, AlbumentationsX, has another licence (AGPL or commercial), which may not be yours to take.

    ## Bad
    ```yaml
    augmentation: [{kind: custom, entrypoint: "albumentations:HorizontalFlip"}]
    ```

    ## Good
    ```yaml
    augmentation: [{kind: custom, entrypoint: "torchvision.transforms.v2:RandomHorizontalFlip"}]
    ```

    ## Fix safety
    None: names and numbers differ from library to library.

    ## Source
    The guide, "Unstructured Data Augmentation: albumentations"; its README says so since June 2025,
    https://github.com/albumentations-team/albumentations.
    """
    for route, word in mentions(case, ALBUMENTATIONS, "albumentations"):
        yield Hit(
            f"`{word}`: albumentations is unmaintained since June 2025",
            route,
            help="use torchvision's transforms v2 or Keras' layers; AlbumentationsX goes on under another licence (AGPL)",
        )


WHYLOGS = lazy(r"\bwhylogs?\b|\bwhy_?labs|\blangkit\b", re.IGNORECASE)


@rule("TOO003", WARNING)
def whylabs_is_discontinued(case: Case) -> Iterator[Hit]:
    """whylogs or WhyLabs is used, whose service has ended.

    ## Why this is bad
    What is sent there is watched by nobody; the library has had no release since 2024.

    ## Bad
    ```yaml
    monitoring: {alerts: [{kind: webhook, url: "https://api.whylabsapp.com/v0/log"}]}
    ```

    ## Good
    ```yaml
    monitoring: {alerts: [{kind: webhook, url: "https://alerts.example.com/v0/log"}]}
    ```

    ## Fix safety
    None: data and alerts must be moved by hand.

    ## Source
    The guide, "ML Monitoring: MLflow, WhyLabs"; https://github.com/zenml-io/zenml/issues/3996: bought, and discontinued.
    """
    for route, word in mentions(case, WHYLOGS, "whylog", "whylabs", "why_labs", "langkit"):
        yield Hit(
            f"`{word}`: WhyLabs has ended its service, and whylogs has had no release since 2024",
            route,
            help="use `monitoring.data_drift`, or Evidently for reports by hand",
        )


NEPTUNE = lazy(
    r"^neptune(?:[._-]?(?:ai|client|scale|ml))?$|\bneptune\.(?:ai|new|init\w*|integrations|types|utils)\b|\bneptune(?:-client|_scale|-scale)\b"
    r"|^neptune(?:\.\w+)*:\w+$|\bpip3? install\b[^|;&]{0,300}\bneptune\b|\bNEPTUNE_(?:API_TOKEN|PROJECT)\b",
    re.IGNORECASE,
)


@rule("TOO004", WARNING)
def neptune_is_closed(case: Case) -> Iterator[Hit]:
    """Runs are to be recorded in Neptune, which has closed to the public.

    ## Why this is bad
    The server that the runs go to is switched off, or will be: the record is lost.

    ## Bad
    ```yaml
    tracking: {kind: neptune}
    ```

    ## Good
    ```yaml
    tracking: {kind: mlflow}
    ```

    ## Fix safety
    Unsafe: runs go to MLflow, and its server must be there.

    ## Source
    The guide, "Tracking Tools Comparison: Neptune"; bought by OpenAI in December 2025, https://neptune.ai.
    """
    for route, word in mentions(case, NEPTUNE, "neptune"):
        yield Hit(
            f"`{word}`: Neptune was bought by OpenAI in December 2025 and closes its service",
            route,
            help="use `kind: mlflow` (open source, a server of your own) or `wandb`",
            fix=_kind(route, word, "mlflow", frozenset({"neptune", "neptune_ai", "neptune.ai", "neptuneai", "neptune_scale"})),
        )


PACHYDERM = lazy(r"\bpachyderm\w*\b|\bpachctl\b|\bpfs://|\bpachd\b", re.IGNORECASE)


@rule("TOO005", WARNING)
def pachyderm_is_abandoned(case: Case) -> Iterator[Hit]:
    """Data is versioned by Pachyderm, which nobody works on any more.

    ## Why this is bad
    A server that holds all states of the data, and gets no fixes of security, is a risk of its own.

    ## Bad
    ```yaml
    data: {version: {engine: pachyderm}}
    ```

    ## Good
    ```yaml
    data: {version: {engine: content_hash}}
    ```

    ## Fix safety
    Unsafe: DVC is written, which must be set up first.

    ## Source
    The guide, "Experiment Tracking: DVC, Pachyderm"; its last commit is of January 2025, https://github.com/pachyderm/pachyderm.
    """
    for route, word in mentions(case, PACHYDERM, "pachyderm", "pachctl", "pfs://", "pachd"):
        yield Hit(
            f"`{word}`: Pachyderm has had no commit since January 2025",
            route,
            help="use `engine: dvc`, `lakefs`, or the built-in `content_hash`",
            fix=_kind(route, word, "dvc", frozenset({"pachyderm"})),
        )


TFLITE = lazy(r"\btflite[-_. ]runtime\b", re.IGNORECASE)


@rule("TOO006", WARNING)
def tflite_runtime_is_dead(case: Case) -> Iterator[Hit]:
    """tflite-runtime is used, which runs on no Python after 3.11.

    ## Why this is bad
    There is no wheel for newer Pythons, and with NumPy 2 it crashes when a model is loaded.

    ## Bad
    ```yaml
    exports: [{kind: tflite_runtime, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    exports: [{kind: tflite, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    Safe for a `kind`, which can only have meant `tflite`. Other places have no fix.

    ## Source
    Measured: tflite-runtime 2.14.0 has wheels up to CPython 3.11, and `Interpreter()` raises SystemError with NumPy 2;
    https://ai.google.dev/edge/litert/migration.
    """
    for route, word in mentions(case, TFLITE, "tflite"):
        whole = route[-1] == "kind" and TFLITE.fullmatch(word) is not None
        yield Hit(
            f"`{word}`: tflite-runtime stops at Python 3.11 and crashes with NumPy 2",
            route,
            help="write `kind: tflite`; on the device install `ai-edge-litert`, which has the same interface"
            if whole
            else "install `ai-edge-litert` instead: the same interface under its new name, LiteRT",
            fix=Fix("write tflite", (Change("set", route, "tflite"),)) if whole else None,
        )


SELDON = lazy(r"\bseldon\w*\b|\balibi[-_]?detect\b|\balibi\b|\bmlserver\b", re.IGNORECASE)


@rule("TOO007", INFO)
def seldon_needs_a_licence(case: Case) -> Iterator[Hit]:
    """A tool of Seldon is used, whose licence forbids production without a contract.

    ## Why this is bad
    Seldon Core and Alibi have been under the Business Source License since January 2024: free to try, not to run a service with.

    ## Bad
    ```yaml
    steps: {watch: {entrypoint: "alibi_detect.cd:KSDrift"}}
    ```

    ## Good
    ```yaml
    monitoring: {data_drift: {tests: [ks, psi], correction: holm, min_rows: 2000}}
    ```

    ## Fix safety
    None: a contract or another tool is a decision.

    ## Source
    The licences of https://github.com/SeldonIO/seldon-core and https://github.com/SeldonIO/alibi-detect, in November 2026.
    """
    for route, word in mentions(case, SELDON, "seldon", "alibi", "mlserver"):
        late = re.search(r"mlserver", word, re.IGNORECASE)
        reason = (
            "MLServer has had no release since June 2025"
            if late
            else "its licence (BSL 1.1) forbids production without a contract"
        )
        yield Hit(
            f"`{word}`: {reason}",
            route,
            help="use `target: kserve` to serve, and `monitoring.data_drift` (or Evidently) to watch",
        )


HUMMINGBIRD = lazy(r"\bhummingbird(?:[-_.]ml)?\b", re.IGNORECASE)


@rule("TOO008", WARNING)
def hummingbird_gets_probabilities_wrong(case: Case) -> Iterator[Hit]:
    """A model is converted by hummingbird, which gives wrong probabilities of logistic regression.

    ## Why this is bad
    The labels are right, so nothing looks wrong; every threshold and every ranking by probability is.

    ## Bad
    ```yaml
    exports: [{kind: custom, entrypoint: "hummingbird.ml:convert", max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    exports: [{kind: onnx, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    None: the built-in exports have other options.

    ## Source
    Measured: hummingbird 0.4.12 with scikit-learn 1.9: probabilities up to 0.83 off, at the same labels in every row.
    """
    for route, word in mentions(case, HUMMINGBIRD, "hummingbird"):
        yield Hit(
            f"`{word}`: hummingbird's probabilities are up to 0.83 off for logistic regression, at the right labels",
            route,
            help="use `exports: [{kind: onnx}]`, `tflite` or `openvino`, and a gate with `max_drop`",
        )
