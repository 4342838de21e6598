"""What plain scikit-learn gets on the gallery's data with the same models: where the gates of the specs come from.

Run it: `python specs/reference.py [SPLITS]` prints mean and standard deviation of each metric over random splits. A target in
a spec is the mean less (or plus) one standard deviation, rounded: what a competent script gets, not where mlspec lands.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.io import wavfile
from scipy.signal import get_window
from sklearn import metrics as m
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

DATA = Path(__file__).parent / "data"


def churn(seed: int) -> dict[str, float]:
    table = pl.read_csv(DATA / "telco-customer-churn.csv", null_values=[" "])
    numbers = ["tenure", "MonthlyCharges", "TotalCharges"]
    words = [name for name in table.columns if name not in (*numbers, "customerID", "Churn")]
    rows = table.select(numbers + words).to_numpy().astype(object)
    labels = (table["Churn"] == "Yes").to_numpy()
    train, test, y_train, y_test = train_test_split(rows, labels, test_size=0.15, stratify=labels, random_state=seed)
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), [0, 1, 2]),
            ("words", OneHotEncoder(handle_unknown="ignore"), list(range(3, rows.shape[1]))),
        ]
    )
    score = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(train, y_train).predict_proba(test)[:, 1]
    said = score >= 0.3
    return {"roc_auc": m.roc_auc_score(y_test, score), "recall": m.recall_score(y_test, said), "f1": m.f1_score(y_test, said)}


def wine_quality(seed: int) -> dict[str, float]:
    read = [
        pl.read_csv(DATA / f"winequality-{colour}.csv", has_header=False, infer_schema_length=None).with_columns(
            pl.lit(i).alias("colour")
        )
        for i, colour in enumerate(("red", "white"))
    ]
    table = pl.concat(read, how="vertical_relaxed").unique(maintain_order=True)
    rows, quality = table.drop("column_11").to_numpy().astype(float), table["column_11"].to_numpy()
    train, test, y_train, y_test = train_test_split(rows, quality, test_size=0.15, random_state=seed)
    said = HistGradientBoostingRegressor(random_state=seed).fit(train, y_train).predict(test)
    return _regression(y_test, said)


def wine_by_colour(seed: int) -> dict[str, float]:
    """A model for each colour; the worse of the two counts, as a gate is for both."""
    worst = 0.0
    for colour in ("red", "white"):
        table = pl.read_csv(DATA / f"winequality-{colour}.csv", has_header=False, infer_schema_length=None).unique(
            maintain_order=True
        )
        rows, quality = table.drop("column_11").to_numpy().astype(float), table["column_11"].to_numpy()
        train, test, y_train, y_test = train_test_split(rows, quality, test_size=0.15, random_state=seed)
        said = make_pipeline(StandardScaler(), Ridge()).fit(train, y_train).predict(test)
        worst = max(worst, _regression(y_test, said)["rmse"])
    return {"rmse": worst}


def temperatures(seed: int) -> dict[str, float]:
    """The last four weeks and two yearly harmonics. A missing day (two in ten years) is not looked for: it moves nothing."""
    table = pl.read_csv(DATA / "daily-min-temperatures.csv", try_parse_dates=True)
    degrees, days = table["Temp"].to_numpy(), table["Date"].dt.ordinal_day().to_numpy()
    turn = 2 * np.pi * days[27:-1] / 365.25
    rows = np.column_stack(
        [
            np.lib.stride_tricks.sliding_window_view(degrees[:-1], 28),
            *(wave(k * turn) for k in (1, 2) for wave in (np.sin, np.cos)),
        ]
    )
    first, last, degrees = int(len(rows) * 0.70), int(len(rows) * 0.85), degrees[28:]
    return _regression(degrees[last:], Ridge().fit(rows[:first], degrees[:first]).predict(rows[last:]))


def breast_cancer(seed: int) -> dict[str, float]:
    rows, kind = load_breast_cancer(return_X_y=True)
    train, test, y_train, y_test = train_test_split(rows, kind == 0, test_size=0.2, stratify=kind, random_state=seed)
    score = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train, y_train).predict_proba(test)[:, 1]
    return {"roc_auc": m.roc_auc_score(y_test, score), "recall": m.recall_score(y_test, score >= 0.5)}


def digits(seed: int) -> dict[str, float]:
    """A plain fully connected network: what a convolutional one has to reach at least."""
    rows, digit = load_digits(return_X_y=True)
    train, test, y_train, y_test = train_test_split(rows / 16, digit, test_size=0.15, stratify=digit, random_state=seed)
    said = MLPClassifier(hidden_layer_sizes=(64,), max_iter=60, random_state=seed).fit(train, y_train).predict(test)
    return {"accuracy": m.accuracy_score(y_test, said)}


def spoken_digits(seed: int) -> dict[str, float]:
    """A plain fully connected network on the same spectrograms, made by hand: what a convolutional one has to reach at least."""
    rows, digit = _spectrograms()
    train, test, y_train, y_test = train_test_split(rows, digit, test_size=0.2, stratify=digit, random_state=seed)
    network = MLPClassifier(hidden_layer_sizes=(64,), max_iter=60, random_state=seed)
    said = make_pipeline(StandardScaler(), network).fit(train, y_train).predict(test)
    return {"accuracy": m.accuracy_score(y_test, said)}


@cache
def _spectrograms() -> tuple[Any, Any]:
    """Frames of 25 ms every 25 ms, and the logarithms of their power in 32 triangular filters on the mel scale."""
    files = sorted((DATA / "spoken-digits").glob("*.wav"))
    sounds = np.zeros((len(files), 6400))
    for sound, file in zip(sounds, files, strict=True):
        heard = wavfile.read(file)[1][:6400] / 32768
        sound[: len(heard)] = heard
    power = np.abs(np.fft.rfft(sounds.reshape(len(files), 32, 200) * get_window("hann", 200), 256)) ** 2
    corners = np.linspace(*(2595 * np.log10(1 + np.array([20, 4000]) / 700)), 34)
    places = 2595 * np.log10(1 + np.arange(129) * 8000 / 256 / 700)
    filters = np.array([np.interp(places, corners[at : at + 3], [0, 1, 0]) for at in range(32)])
    return np.log(power @ filters.T + 1e-2).reshape(len(files), -1), np.array([file.name[0] for file in files])


def sms(seed: int) -> dict[str, float]:
    """Repeated messages lie in one part, as mlspec deals them: here the later ones are left out."""
    table = pl.read_csv(
        DATA / "sms-spam.tsv", separator="\t", has_header=False, quote_char=None, new_columns=["label", "message"]
    ).unique(maintain_order=True)
    texts, spam = table["message"].to_list(), (table["label"] == "spam").to_numpy()
    train, test, y_train, y_test = train_test_split(texts, spam, test_size=0.15, stratify=spam, random_state=seed)
    words = TfidfVectorizer(min_df=2, max_features=2000, sublinear_tf=True)
    score = make_pipeline(words, LogisticRegression(C=30, max_iter=1000)).fit(train, y_train).predict_proba(test)[:, 1]
    return {"f1": m.f1_score(y_test, score >= 0.5), "average_precision": m.average_precision_score(y_test, score)}


def _regression(actual: Any, said: Any) -> dict[str, float]:
    return {
        "rmse": m.root_mean_squared_error(actual, said),
        "mae": m.mean_absolute_error(actual, said),
        "r2": m.r2_score(actual, said),
    }


SCRIPTS = {
    "churn": churn,
    "wine-quality": wine_quality,
    "wine-by-colour": wine_by_colour,
    "temperatures": temperatures,
    "breast-cancer": breast_cancer,
    "digits": digits,
    "spoken-digits": spoken_digits,
    "sms": sms,
}


def summary(name: str, splits: int) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of each metric over `splits` random splits."""
    told = [SCRIPTS[name](seed) for seed in range(splits)]
    return {
        metric: {"mean": float(np.mean([one[metric] for one in told])), "std": float(np.std([one[metric] for one in told]))}
        for metric in told[0]
    }


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    print(json.dumps({name: summary(name, count) for name in SCRIPTS}, indent=1))
