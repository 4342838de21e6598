"""Text as numbers: scikit-learn's TF-IDF in training, the same numbers on a device that has NumPy alone, the user's own encoder."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from mlspec import families
from mlspec.diagnostic import Problem
from mlspec.exports.c import C
from mlspec.lowering import Lowered, lowered
from mlspec.lowering.columns import HOW
from mlspec.runtime import export, fitting
from mlspec.runtime.edge.device import runner
from mlspec.runtime.edge.metadata import device_rows, metadata
from mlspec.runtime.featurizer import Featurizer
from mlspec.tensor.program import run
from mlspec.transforms import Context, load
from tests.test_lowering import in_litert, in_onnx

ROOT = Path(__file__).parent.parent
Json = dict[str, Any]
HOSTILE = [
    *(None, "", " ", "a", "a b c", "İstanbul STRASSE straße ǅ", "١٢٣ ٤٥ मानक हिन्दी", "😀😀 ok\u0301 ok", "__x__ _ __"),
    *(
        "'; DROP TABLE x;--",
        "<script>alert(1)</script>",
        "{{ 7 * 7 }}",
        "tab\tnew\nline\r\n",
        " \x1c\x85 x\u2028yy",
        "\x00nul\x00",
    ),
]


@cache
def messages() -> pl.DataFrame:
    names = ["label", "message"]
    path = ROOT / "specs" / "data" / "sms-spam.tsv"
    return pl.read_csv(path, separator="\t", has_header=False, quote_char=None, new_columns=names)


def on_device(step: Json, fitted: Any, rows: pl.DataFrame) -> Any:
    """What runner.py makes of the texts, from metadata that went through JSON."""
    how = HOW["tfidf"](SimpleNamespace(how=load(step).model_dump(mode="json"), fitted=fitted))
    inputs = [{"name": name, "type": "array", "values": [], "size": len(terms)} for name, terms in fitted.terms.items()]
    about = {"computed": [{"kind": "tfidf", "takes": rows.columns, "gives": rows.columns, "how": how}], "inputs": inputs}
    return runner.feed(rows.to_dicts(), json.loads(json.dumps(about)))


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"sublinear_tf": True, "ngram_range": [1, 2], "norm": "l1"},
        {"analyzer": "char_wb", "ngram_range": [2, 4], "lowercase": False, "max_features": 500},
        {"norm": None, "min_df": 1},
    ],
    ids=str,
)
def test_a_device_makes_the_numbers_that_scikit_learn_makes(how: Json) -> None:
    """On every message there is, and on texts that somebody wrote to break something."""
    rows = pl.concat([messages().select("message"), pl.DataFrame({"message": HOSTILE * 3})])
    step = {"kind": "tfidf", "columns": ["message"], **how}
    fitted, made = load(step).fit_transform(rows, np.zeros(rows.height), Context("classification", 0))
    texts = [one or "" for one in rows["message"]]
    kept = ("analyzer", "lowercase", "sublinear_tf", "norm")
    plain = TfidfVectorizer(
        ngram_range=(1, 1) if "ngram_range" not in how else tuple(how["ngram_range"]),
        vocabulary=fitted.terms["message"],
        **{name: how[name] for name in kept if name in how},
    )
    expected = plain.fit_transform(texts).toarray()
    assert np.abs(made.to_numpy() - expected).max() == 0
    scale = max(1.0, expected.max())
    assert np.abs(on_device(step, fitted, rows) - expected).max() <= 1e-6 * scale


def test_the_terms_are_those_of_scikit_learn_but_for_ties() -> None:
    texts = ["b b a", "c a", "b c d", "d"]
    frame = pl.DataFrame({"t": [text.replace(" ", "x ") + "x" for text in texts]})
    fitted: Any = load({"kind": "tfidf", "columns": ["t"], "min_df": 1, "max_features": 2}).fit_transform(
        frame, np.zeros(4), Context("classification", 0)
    )[0]
    assert fitted.terms == {"t": ["ax", "bx"]}  # b occurs three times; a, c and d twice, and a comes first
    assert fitted.frequencies == {"t": [2, 2]}
    assert fitted.names == ["t:ax", "t:bx"]


def test_a_missing_text_is_the_empty_text_and_unseen_words_count_nothing() -> None:
    frame = pl.DataFrame({"t": ["free call", "call me", None, "me free"], "u": ["one two", "two", "one", None]})
    fitted, made = load({"kind": "tfidf", "columns": ["t", "u"]}).fit_transform(frame, np.zeros(4), Context("regression", 0))
    assert made.columns == ["t:call", "t:free", "t:me", "u:one", "u:two"]
    assert made.select("t:call", "t:free", "t:me").row(2) == (0, 0, 0)
    assert fitted.transform(pl.DataFrame({"t": ["nobody knows this"], "u": [""]})).row(0) == (0, 0, 0, 0, 0)
    assert made.null_count().sum_horizontal()[0] == 0


@pytest.mark.parametrize("texts", [["", None, "!?"], ["one", "two", "three"]])
def test_texts_without_a_term_are_said_to_have_none(texts: Sequence[str | None]) -> None:
    with pytest.raises(Problem, match="`tfidf` on t") as caught:
        featurizer([{"kind": "tfidf", "columns": ["t"]}]).fit_transform(
            pl.DataFrame({"t": texts, "label": ["a", "b", "a"]}), np.array(["a", "b", "a"])
        )
    assert caught.value.faults[0].route == ("features", 0)  # type: ignore[union-attr]


@pytest.mark.parametrize("wrong", [{"ngram_range": [3, 2]}, {"ngram_range": [0, 1]}, {"analyzer": "char"}, {"columns": []}])
def test_what_cannot_be_counted_is_refused(wrong: Json) -> None:
    with pytest.raises(Problem):
        load({"kind": "tfidf", "columns": ["t"], **wrong})


def featurizer(transforms: Sequence[Json], model: str = "sklearn.logistic_regression") -> Featurizer:
    needs = families.load({"kind": model}, "classification").needs()
    task = {"kind": "classification", "target": "label"}
    return Featurizer(list(transforms), {"message": {"type": "string"}}, task, asdict(needs), 7)


def fitted(model: Json, transforms: Sequence[Json], rows: int = 600) -> tuple[Any, pl.DataFrame]:
    """A model of messages and how long they are, and rows that it has not seen: as many as terms, so that nothing is transposed."""
    table = messages().with_columns(pl.col("message").str.len_chars().alias("length"))
    seen = table[:rows]
    answers = np.array(seen["label"].to_list(), dtype=np.str_)
    features = featurizer(transforms, model["kind"])
    matrix = features.fit_transform(seen, answers)
    family = families.load(model, "classification")
    return fitting.fit(family, {"kind": "classification", "target": "label"}, 7, features, matrix, answers), table[
        rows : rows + 300
    ]


TFIDF = {"kind": "tfidf", "columns": ["message"], "max_features": 300}


def test_text_stays_where_a_transform_names_it_and_is_left_out_where_none_does() -> None:
    table = messages()[:500]
    labels = np.array(table["label"].to_list(), dtype=np.str_)
    used = featurizer([TFIDF])
    assert used.fit_transform(table, labels).shape == (500, 300)
    assert [one.kind for one in used.steps_] == ["tfidf"], "its numbers have no gaps and are on one scale"
    assert used.left_out_ == {}
    with pytest.raises(Problem, match="no column is left"):
        featurizer([]).fit_transform(table, labels)


def about(made: Lowered, model: Any) -> Json:
    params: Json = dict.fromkeys(("task", "columns", "transforms", "model", "export"))
    params |= {"about": {"name": "sms"}, "task": {}, "limits": {}, "route": ["exports", 0]}
    return metadata(model, made, C(), params, {"metrics": {}})


@pytest.mark.parametrize("model", ["sklearn.logistic_regression", "sklearn.hist_gradient_boosting"])
def test_a_model_of_text_and_numbers_answers_as_it_did(model: str) -> None:
    params = {"max_iter": 20} if model != "sklearn.logistic_regression" else {}
    fit, rows = fitted({"kind": model, "params": params}, [TFIDF])
    made = lowered(fit)
    assert [(one.name, one.type, one.size) for one in made.inputs] == [("length", "number", 1), ("message", "array", 300)]
    told = about(made, fit)
    fed = runner.feed(device_rows(fit, made, rows), json.loads(json.dumps(told)))
    expected = fit.predict_proba(rows)
    for found in (run(made.program, fed), in_onnx(made, fed), in_litert(made, fed)):
        assert np.abs(found - expected).max() <= 1e-5


def test_what_the_device_does_is_short_and_stands_in_the_bundle(tmp_path: Path) -> None:
    fit, _ = fitted({"kind": "sklearn.logistic_regression"}, [{**TFIDF, "max_features": 2000, "min_df": 1}])
    made = lowered(fit)
    told = about(made, fit)
    size = made.inputs[1].size
    assert told["inputs"][1] == {"name": "message", "type": "array", "values": [], "size": size, "shape": [size]}
    assert told["computed"][0]["takes"] == told["computed"][0]["gives"] == ["message"]
    assert len(json.dumps(told)) < 15 * size, "a term, and one number"
    C().write(made.program, tmp_path, json.dumps(told), np.zeros((1, made.program.width)))
    assert "tfidf of message" in (tmp_path / "model.h").read_text()
    assert f"MODEL_INPUTS {made.program.width}" in (tmp_path / "model.h").read_text()


def test_numbers_in_the_place_of_a_text_are_taken_as_they_are() -> None:
    """As a sample of the bundle has them; but they must be as many as the model takes."""
    fit, _ = fitted({"kind": "sklearn.logistic_regression"}, [TFIDF])
    told = about(lowered(fit), fit)
    numbers = np.linspace(0, 1, 301).astype(np.float32)
    assert (runner.feed([{"length": float(numbers[0]), "message": numbers[1:].tolist()}], told) == numbers).all()
    assert dict(export._named(numbers.tolist(), told["inputs"])) == {"length": numbers[0], "message": numbers[1:].tolist()}
    for wrong, said in (
        ([1.0], "message has 1 numbers, and the model takes 300"),
        (["x"] * 300, "message is not a list of numbers"),
    ):
        with pytest.raises(SystemExit, match=said):
            runner.feed([{"length": 3, "message": wrong}], told)
    assert (runner.feed([{"length": 3}], told)[0, 1:] == 0).all(), "no message is the empty one"


def test_a_text_that_the_model_changes_before_is_refused() -> None:
    fill = {"kind": "impute", "with": "constant", "value": "nothing", "columns": ["message"]}
    fit, _ = fitted({"kind": "sklearn.logistic_regression"}, [fill, TFIDF])
    with pytest.raises(Problem, match="`tfidf` takes message, which an earlier transform made"):
        lowered(fit)


ENCODER = """
import zlib
import numpy as np
import polars as pl

class Encoder:
    def __init__(self, size):
        self.size = size

    def fit(self, frame, target):
        self.mean = self.of(frame).mean(axis=0)

    def of(self, frame):
        made = np.zeros((frame.height, self.size))
        for row, text in enumerate(frame["message"].fill_null("")):
            for word in text.split():
                made[row, zlib.crc32(word.encode()) % self.size] += 1
        return made

    def transform(self, frame):
        return pl.from_numpy(self.of(frame) - self.mean, schema=[f"embedding_{at}" for at in range(self.size)])
"""


def test_an_encoder_of_the_users_own_turns_text_into_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text in, many numbers out, into a model and onto a device, which has to feed what the encoder makes."""
    (tmp_path / "own_encoder_for_test.py").write_text(ENCODER)
    monkeypatch.syspath_prepend(tmp_path)
    own = {"kind": "custom", "entrypoint": "own_encoder_for_test:Encoder", "params": {"size": 64}, "columns": ["message"]}
    fit, rows = fitted({"kind": "sklearn.logistic_regression"}, [own])
    made = lowered(fit)
    assert made.computed[0].gives == tuple(f"embedding_{at}" for at in range(64))
    fed = runner.feed(device_rows(fit, made, rows), about(made, fit))
    assert np.abs(run(made.program, fed) - fit.predict_proba(rows)).max() <= 1e-5


SCRIPT = """
import sys
from pathlib import Path
import polars as pl
from mlspec.runtime import pickled
from mlspec.transforms import Context, load
frame = pl.DataFrame({"t": ["free call now", "call me", "free lunch now", "lunch with me"]})
fitted, _ = load({"kind": "tfidf", "columns": ["t"]}).fit_transform(frame, None, Context("classification", 0))
pickled.write(Path(sys.argv[1]), fitted)
"""


def test_another_process_fits_the_same_bytes(tmp_path: Path) -> None:
    digests = set()
    for seed in ("1", "2"):
        words = [sys.executable, "-c", SCRIPT, str(tmp_path / seed)]
        subprocess.run(words, check=True, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed})
        digests.add(hashlib.sha256((tmp_path / seed).read_bytes()).hexdigest())
    assert len(digests) == 1
