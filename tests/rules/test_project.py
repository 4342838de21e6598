"""Rules about the project, privacy, security, the edge, machines and tools: what they find, and what they leave alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlspec import display, lint
from mlspec.diagnostic import Diagnostic, Severity
from mlspec.rules._page import Example
from mlspec.rules._secrets import secrets
from mlspec.rules.edge import sort_of
from mlspec.rules.hardware import ACCELERATORS
from mlspec.rules.privacy import FAR, PERSONAL, SENSITIVE, snake
from mlspec.rules.reproducibility import _changes, interval
from mlspec.rules.requirements import unfinished
from tests.rules.test_pages import linted

HEX = "9f8a7c6b5d4e3f2a1b0c9d8e7f6a5b4c"
WRITTEN = {
    "an AWS access key": "AKIA" + "IOSFODNN7ABCDEFG",
    "a GitHub token": "ghp_" + "a1B2c3" * 6,
    "a Slack webhook": "https://hooks.slack.com/services/" + "T000/B000/abcdefghijklmnop",
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE",
    "a JSON Web Token": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r",
    "a Google API key": "AIza" + "b" * 35,
    "a password in an address": "postgresql://reader:Sommer-2026@db.example.com/orders",
    "a password": "Server=db;User=reader;Password=Sommer2026;",
}


def found(spec: str, folder: Path, name: str) -> list[Diagnostic]:
    return [one for one in linted(Example(spec, {}), folder) if one.finding.code == name]


@pytest.mark.parametrize(("what", "text"), WRITTEN.items())
def test_a_secret_is_known_by_its_form(what: str, text: str) -> None:
    assert list(secrets({"steps": {"score": {"params": {"x": text}}}})) == [(("steps", "score", "params", "x"), what)]


@pytest.mark.parametrize(
    "data",
    [
        {"password": "Sommer2026"},
        {"apiKey": HEX},
        {"env": {"WANDB_API_KEY": HEX}},
        {"command": ["run", "--password", "Sommer2026"]},
        {"command": [f"run --api-key={HEX}"]},
    ],
)
def test_a_secret_is_known_by_its_key(data: dict[str, object]) -> None:
    assert len(list(secrets(data))) == 1


@pytest.mark.parametrize(
    "data",
    [
        {"password": "${env:DB_PASSWORD}"},
        {"uri": "postgresql://reader:${env:DB_PASSWORD}@db/orders"},
        {"uri": "http://mlflow:5000"},
        {"authentication": "token"},
        {"token": "customer_token"},
        {"api_key": "WANDB_API_KEY"},
        {"token": "/run/secrets/token"},
        {"image": f"score:1.2@sha256:{HEX}"},
        {"data": {"columns": {"password": {"description": "token: which the customer typed"}}}},
        {"description": "the password: see the vault"},
        {"where": "password_age > 3"},
        {"query": "select token from t where token = 'abc'"},
        {"max_tokens": "512"},
        {"path": "s3://bucket/a:b@c.parquet"},
        {"license": "CC-BY-4.0"},
        {"command": ["run", "--password", "${env:PW}"]},
    ],
)
def test_what_is_no_secret_is_let_be(data: dict[str, object]) -> None:
    assert list(secrets(data)) == []


def test_no_output_repeats_a_secret(tmp_path: Path) -> None:
    for number, text in enumerate(WRITTEN.values()):
        spec = tmp_path / f"{number}.yaml"
        quoted = text.replace("\n", "\\n")
        spec.write_text(
            f'mlspec: 1\nproject: {{name: a}}\nx-own: {{one: "{quoted}"}}\nx-two: "http://a.example"\n', encoding="utf-8"
        )
        opened = lint.check(spec)
        assert "secret-in-spec" in [one.finding.code for one in opened.diagnostics]
        shown = display.text(opened.diagnostics, opened.layered.texts) + str(display.as_json(opened.diagnostics))
        assert text[4:] not in shown
        assert quoted[4:] not in shown
        assert "Sommer" not in shown


def test_a_refused_secret_is_told_once(tmp_path: Path) -> None:
    spec = f'monitoring: {{alerts: [{{kind: slack, url: "{WRITTEN["a Slack webhook"]}"}}]}}'
    told = [one.finding.code for one in linted(Example(spec, {}), tmp_path) if "secret" in one.finding.code]
    assert told == ["inline-secret"]


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("tracking: {kind: neptune}", "neptune-is-closed"),
        ("exports: [{kind: tflite-runtime}]", "tflite-runtime-is-dead"),
        ("data: {version: {engine: pachyderm}}", "pachyderm-is-abandoned"),
        ("augmentation: [{kind: albumentations}]", "albumentations-is-unmaintained"),
    ],
)
def test_a_dead_kind_is_one_error(spec: str, name: str, tmp_path: Path) -> None:
    errors = [one for one in linted(Example(spec, {}), tmp_path) if one.finding.severity is Severity.ERROR]
    assert [one.finding.code for one in errors] == [name]
    opened = lint.check(tmp_path / "spec.yaml")
    with pytest.raises(lint.Problem, match=name):
        opened.checked()


@pytest.mark.parametrize("text", ["s3://neptune-planet/x.csv", "db.cluster-1.neptune.amazonaws.com", "neptune_orbit"])
def test_other_neptunes_are_let_be(text: str, tmp_path: Path) -> None:
    assert not found(f'steps: {{a: {{entrypoint: "a:b", params: {{x: "{text}"}}}}}}', tmp_path, "neptune-is-closed")


@pytest.mark.parametrize(
    ("name", "personal"),
    [
        ("email", True), ("customerEmail", True), ("Date of Birth", True), ("dob", True), ("first_name", True), ("IBAN", True),
        ("ip_address", True), ("phoneNumber", True), ("ssn", True), ("home_address", True), ("Name", False), ("PhoneService", False),
        ("product_name", False), ("email_opened", False), ("zip_file", False), ("addressable_market", False), ("shipping_cost", False),
        ("passport_required", False), ("tip", False), ("birth_weight", False), ("MonthlyCharges", False), ("customerID", False),
    ],
)  # fmt: skip
def test_names_of_personal_columns(name: str, personal: bool) -> None:
    assert (PERSONAL.fullmatch(snake(name)) is not None) is personal


def test_names_of_sensitive_columns() -> None:
    assert all(SENSITIVE.fullmatch(snake(name)) for name in ("gender", "Sex", "applicant_race", "religion", "MaritalStatus"))
    assert not any(
        SENSITIVE.fullmatch(snake(name)) for name in ("race_time", "sexual_content", "age", "trace", "gender_neutral_price")
    )


def test_a_look_at_the_column_silences(tmp_path: Path) -> None:
    spec = "data: {columns: {email_address: {type: string, role: ignore, pii: false}}}"
    assert not found(spec, tmp_path, "unmarked-personal-data")


@pytest.mark.parametrize(
    ("region", "far"),
    [
        ("us-east-1", True), ("westus2", True), ("asia-southeast1", True), ("ap-south-1", True), ("australiaeast", True),
        ("eu-west-1", False), ("europe-west4", False), ("westeurope", False), ("eu-west-2", False), ("uksouth", False),
        ("ap-northeast-1", False), ("ca-central-1", False), ("germanywestcentral", False), ("europe-west2", False),
    ],
)  # fmt: skip
def test_regions(region: str, far: bool) -> None:
    assert (FAR.fullmatch(region) is not None) is far


@pytest.mark.parametrize(
    ("device", "sort"),
    [
        ("raspberry_pi_4", "raspberry"), ("Raspberry Pi 5", "raspberry"), ("raspberry_pi_pico", "microcontroller"),
        ("cortex-m4", "microcontroller"), ("cortex_a72", None), ("stm32mp157", "linux"), ("STM32F7", "microcontroller"),
        ("arduino_uno_q", None), ("coral", "coral"), ("jetson_nano", "jetson"), ("iphone15", "apple"), ("machine_7", None),
        ("esp32-s3", "microcontroller"), ("our_gateway", None), ("gpu", None), ("rtx_4090", "nvidia"),
    ],
)  # fmt: skip
def test_sorts_of_devices(device: str, sort: str | None) -> None:
    assert sort_of(device) == sort


@pytest.mark.parametrize(
    "name", ["gpu", "nvidia-tesla-t4", "nvidia.com/gpu", "A100-80GB", "tpu-v5e", "gpu:2", "2xA100", "RTX 4090", "l4"]
)
def test_accelerators_that_are_known(name: str) -> None:
    assert ACCELERATORS.fullmatch(name.lower())


def test_placeholders() -> None:
    assert all(map(unfinished, ("TODO", "tbd", "TODO: ask Anna", "FIXME later", "...", "?", "to be defined", "placeholder")))
    assert not any(map(unfinished, ("Todo lists of our users grow stale", "a TODO app", "tbdex payments", "xxl sizes sell out")))


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [
        ("hourly", 3600), ("*/15 * * * *", 900), ("0 * * * *", 3600), ("0 */6 * * *", 21_600), ("0 3 * * 1", 604_800),
        ("0,30 * * * *", 1800), ("0 3 * * *", 86_400), ("0 3,4 * * *", 3600), ("0 23,1 * * *", 7200), ("0 1-5 * * *", None),
    ],
)  # fmt: skip
def test_the_time_between_two_runs(schedule: str, seconds: int | None) -> None:
    assert interval(schedule) == seconds


@pytest.mark.parametrize(
    ("schedule", "zone", "how"),
    [
        ("30 2 * * *", "Europe/Paris", "left out|made twice"), ("30 2 * * 0", "America/New_York", "left out"),
        ("30 1 * * *", "America/New_York", "made twice"), ("30 1 * * *", "Europe/London", "left out|made twice"),
        ("30 2 * * 1", "Europe/Paris", None), ("30 2 * * 1-5", "Europe/Paris", None), ("30 2 1 1 *", "Europe/Paris", None),
        ("30 4 * * *", "Europe/Paris", None), ("30 2 * * *", "UTC", None), ("30 2 * * *", "Asia/Tokyo", None),
        ("*/30 2 * * *", "Europe/Paris", None), ("daily", "Europe/Paris", None), ("30 2 * * 6,7", "Europe/Paris", "left out|made twice"),
    ],
)  # fmt: skip
def test_the_lost_hour(schedule: str, zone: str, how: str | None, tmp_path: Path) -> None:
    told = found(f'pipeline: {{schedule: "{schedule}", timezone: {zone}}}', tmp_path, "schedule-in-the-lost-hour")
    assert len(told) == (how is not None)
    if how:
        assert re.search(how, told[0].finding.message)


def test_the_lost_hours_of_a_year() -> None:
    days = {day.date().isoformat() for day, _ in _changes("Europe/Paris")}
    assert days == {"2026-03-29", "2026-10-25", "2027-03-28", "2027-10-31"}


@pytest.mark.parametrize(
    ("trees", "leaves", "budget", "fits"), [(100, 31, "100 kB", True), (500, 200, "1 MB", False), (100, 31, "90 kB", False)]
)
def test_the_size_of_a_forest(trees: int, leaves: int, budget: str, fits: bool, tmp_path: Path) -> None:
    """A tree of 31 leaves has 61 nodes of 16 bytes: 100 of them 97.6 kB."""
    spec = (
        f"model: {{kind: sklearn.random_forest, params: {{learning_rate: null, n_estimators: {trees}, max_leaf_nodes: {leaves}}}}}\n"
        f"exports: [{{kind: onnx, max_size: {budget}, max_drop: 1 %}}]"
    )
    told = found(spec, tmp_path, "size-budget-too-small")
    assert len(told) == (not fits)


def test_the_size_that_would_fit_fits(tmp_path: Path) -> None:
    spec = (
        "model: {{kind: sklearn.random_forest, params: {{learning_rate: null, n_estimators: {}, max_leaf_nodes: 200}}}}\n"
        "exports: [{{kind: onnx, max_size: 1 MB, max_drop: 1 %}}]"
    )
    told = found(spec.format(500), tmp_path, "size-budget-too-small")
    advised = re.search(r"n_estimators: (\d+)", told[0].finding.help)
    assert advised
    assert not found(spec.format(advised[1]), tmp_path, "size-budget-too-small")


def test_memory_that_is_advised_suffices(tmp_path: Path) -> None:
    spec = "data: {{volume: {{rows: 500000000}}}}\nhardware: {{training: {{cpu: 4, memory: {}}}}}"
    told = found(spec.format("8 GiB"), tmp_path, "memory-below-the-data")
    advised = re.search(r"`(\d+ \w+)`", told[0].finding.help)
    assert advised
    assert not found(spec.format(advised[1]), tmp_path, "memory-below-the-data")


@pytest.mark.parametrize(
    "route", ["deployment.region", "training.seed", "requirements.metrics[0].target", "data.columns.tenure.max"]
)
def test_a_constraint_may_name_any_part(route: str, tmp_path: Path) -> None:
    spec = f'requirements: {{constraints: [{{kind: legal, statement: so be it, enforced_by: "{route}"}}]}}'
    assert not found(spec, tmp_path, "enforced-by-nothing")


@pytest.mark.parametrize(
    "route", ["deployment.regoin", "requirements.metrics[9]", "the legal team", "nowhere", "training.seed.x"]
)
def test_a_constraint_must_name_a_part(route: str, tmp_path: Path) -> None:
    spec = f'requirements: {{constraints: [{{kind: legal, statement: so be it, enforced_by: "{route}"}}]}}'
    assert found(spec, tmp_path, "enforced-by-nothing")


@pytest.mark.parametrize(
    "query",
    ["select * from t where a like '%s%'", "select '{a,b}'::text[] from t", "select 1", "select * from t where n % 7 = 0"],
)
def test_queries_without_holes(query: str, tmp_path: Path) -> None:
    spec = f'data: {{sources: {{customers: null, o: {{kind: sql, connection: "${{secret:a/b}}", query: "{query}"}}}}}}'
    assert not found(spec, tmp_path, "query-from-pieces")


@pytest.mark.parametrize(
    "host", ["localhost:5000", "mlflow:5000", "10.1.2.3", "mlflow.ml.svc.cluster.local", "[::1]:80", "127.0.0.1"]
)
def test_plain_connections_at_home_are_let_be(host: str, tmp_path: Path) -> None:
    assert not found(f'tracking: {{kind: mlflow, uri: "http://{host}/x"}}', tmp_path, "plain-connection")


BOOSTED = "model: {{kind: {}, params: {{learning_rate: {}}}}}\n"


@pytest.mark.parametrize("kind", ["lightgbm", "sklearn.hist_gradient_boosting", "xgboost"])
@pytest.mark.parametrize(
    ("rate", "more", "name", "said"),
    [
        ("0.9", "", "learning-rate-too-high", "0.9 overshoots"),
        ("0.001", "", "boosting-stops-too-early", "100 trees"),
        ("0.1", "data: {volume: {rows: 600}}", "boosting-on-few-rows", "600 rows"),
        ("0.1", "training: {early_stopping: {patience: 200}}", "patience-beyond-the-end", "100 rounds"),
        ("0.1", "training: {early_stopping: {patience: 9}}", "early-stopping-without-rounds", None),
        ("0.1", "retraining: {strategy: incremental}", "family-cannot-learn-on", "partial_fit"),
        ("0.1", "retraining: {strategy: transfer}", "transfer-from-nothing", "starts from nothing"),
        ("0.1", "hardware: {training: {cpu: 4, memory: 8 GiB, accelerator: gpu}}", "gpu-for-a-classical-model", "would be idle"),
        ("0.1", "hardware: {serving: {memory: 128 MB}}", "replica-too-small", "gets 128 MB"),
        ("0.1", "exports: [{kind: tflite, device: coral}]", "trees-on-an-edge-tpu", "cannot run trees"),
        ("0.1", "exports: [{kind: onnx, quantize: dynamic}]", "quantized-trees", "rounds the thresholds"),
        ("0.1", "exports: [{kind: onnx}]\nfeatures: [{kind: interact}]", "products-before-exported-trees", "rounds products"),
    ],
)
def test_boosting_is_boosting_whoever_grows_the_trees(
    kind: str, rate: str, more: str, name: str, said: str | None, tmp_path: Path
) -> None:
    told = found(BOOSTED.format(kind, rate) + more, tmp_path, name)
    assert bool(told) == (said is not None)
    assert all(said and said in one.finding.message for one in told)


@pytest.mark.parametrize(
    ("model", "name", "told"),
    [
        ("{kind: lightgbm, params: {min_child_samples: 30000}}", "leaves-larger-than-the-data", True),
        ("{kind: lightgbm, params: {n_estimators: 2000, num_leaves: 255}}", "size-budget-too-small", True),
        (
            "{kind: lightgbm, params: {n_estimators: 2000, num_leaves: 255, early_stopping_rounds: 9}}",
            "size-budget-too-small",
            False,
        ),
        ("{kind: lightgbm, params: {n_estimators: 20, num_leaves: 255}}", "size-budget-too-small", False),
        ("{kind: xgboost, params: {n_estimators: 2000, max_depth: 8}}", "size-budget-too-small", False),
    ],
)
def test_how_large_leaves_and_boosted_trees_are(model: str, name: str, told: bool, tmp_path: Path) -> None:
    export = "exports: [{kind: onnx, device: raspberry_pi_4, max_size: 1 MB, max_drop: 1 %}]\n"
    assert bool(found(f"{export}model: {model}", tmp_path, name)) == told
