"""What somebody meant who wrote a word that is not known: the nearest of the words that are, and how sure that is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_RIDGE = "sklearn.ridge"
_LOGISTIC = "sklearn.logistic_regression"
_LINEAR = "sklearn.linear_regression"
_BOOSTING = "sklearn.hist_gradient_boosting"
_FOREST = "sklearn.random_forest"
_EXTRA = "sklearn.extra_trees"
_NEIGHBOURS = "sklearn.k_neighbors"
_BAYES = "sklearn.naive_bayes"
_SVM = "sklearn.svm"
_MLP = "sklearn.mlp"

_FIELD: dict[str, str] = {
    # keys
    "learning_rate": "lr eta step_size shrinkage",
    "n_estimators": "n_trees trees num_trees ntrees num_boost_round num_iterations iterations rounds max_iter",
    "max_iter": "n_iter iterations epochs n_iterations n_estimators n_trees num_boost_round",
    "max_depth": "depth",
    "alpha": "reg lambda l2 regularization penalty_strength",
    "l2_regularization": "reg_lambda lambda_l2 l2 alpha",
    "reg_alpha": "lambda_l1 l1 l1_regularization alpha",
    "reg_lambda": "lambda_l2 l2 l2_regularization lambda",
    "num_leaves": "leaves num_leaf max_leaf_nodes max_leaves",
    "max_leaves": "leaves num_leaves max_leaf_nodes",
    "gamma": "min_split_loss min_split_gain min_gain_to_split",
    "min_split_gain": "min_gain_to_split min_split_loss gamma",
    "min_child_samples": "min_data_in_leaf min_data min_samples_leaf",
    "min_child_weight": "min_sum_hessian_in_leaf min_hessian",
    "subsample": "bagging_fraction bagging sub_row",
    "subsample_freq": "bagging_freq",
    "colsample_bytree": "feature_fraction colsample sub_feature max_features",
    "colsample_bynode": "feature_fraction_bynode",
    "max_bin": "max_bins bins",
    "boosting_type": "boosting boost",
    "early_stopping_rounds": "early_stopping_round early_stopping n_iter_no_change patience",
    "quantile_alpha": "quantile alpha",
    "C": "regularization inverse_regularization",
    "n_neighbors": "k neighbors n_neighbours neighbours",
    "hidden_layer_sizes": "hidden layers hidden_layers units",
    "batch_size": "batch",
    "target": "label y target_column outcome response dependent threshold goal bar",
    "positive": "positive_class pos_label positive_label",
    "cross_validation": "cv folds k_folds kfold n_splits cv_folds n_folds",
    "seed": "random_state random_seed rng",
    "path": "file filename filepath location paths files",
    "connection": "dsn connection_string conn database_url",
    "query": "sql statement select",
    "url": "uri link address endpoint href",
    "uri": "url link address endpoint tracking_uri",
    "kind": "type name estimator algorithm family class model_type",
    "type": "dtype datatype data_type",
    "description": "mean desc comment doc docs title",
    "sources": "source datasets inputs",
    "data": "dataset",
    "columns": "schema fields cols features",
    "on_failure": "on_error on_fail if_fails",
    "splits": "split splitting",
    "strategy": "stratify method",
    "method": "strategy sampler search",
    "group_by": "groups group groupby group_column",
    "gap": "embargo purge",
    "ratios": "sizes fractions proportions test_size shares",
    "features": "transforms preprocessing transformers steps feature_engineering",
    "model": "estimator classifier regressor learner",
    "params": "hyperparameters parameters args kwargs arguments hparams hyperparams",
    "schedule": "cron",
    "timezone": "tz",
    "retries": "retry max_retries",
    "cpu": "cpus cores vcpu n_jobs",
    "memory": "ram mem",
    "accelerator": "gpu gpus tpu",
    "entrypoint": "function fn module callable func code",
    "after": "depends_on needs upstream dependencies",
    "min": "min_value minimum ge lower",
    "max": "max_value maximum le upper",
    "low": "min lower minimum from start",
    "high": "max upper maximum to end",
    "values": "enum categories allowed levels choices options",
    "pattern": "regex regexp",
    "nullable": "required optional null allow_null",
    "owner": "authors author maintainer",
    "phase": "stage",
    "environments": "envs env environment profiles overlays",
    "metrics": "metric scores",
    "registry": "model_registry",
    "tracking": "tracker experiment experiments logging",
    "evaluation": "eval evaluate validation",
    "training": "train fit trainer",
    "monitoring": "monitor observability",
    "deployment": "deploy serving serve",
    "requirements": "goals objectives",
    "project": "about meta metadata info",
    "task": "problem problem_type objective",
    "baseline": "dummy benchmark",
    "exports": "export formats",
    "augmentation": "augment augmentations",
    "separator": "sep delimiter delim",
    "null_values": "na_values nulls missing_values",
    "with": "method strategy how using",
    "that": "expr expression condition rule",
    "where": "filter condition query when",
    "on": "key keys by join_on triggers trigger",
    "patience": "n_iter_no_change",
    "trials": "n_trials max_trials budget",
    "space": "search_space grid param_grid parameters params",
    "tuning": "hpo hyperparameter_tuning optuna",
    "hold": "wait duration step_duration",
    "sensitive": "protected groups attributes sensitive_features",
    "threshold": "cutoff",
    "image": "container docker_image",
    "command": "cmd args",
    "timeout": "time_limit max_time deadline",
    # kinds
    "xgboost": "xgb xgbclassifier xgbregressor xg_boost extreme_gradient_boosting",
    "lightgbm": "lgbm lgb lgbmclassifier lgbmregressor light_gbm light_gradient_boosting_machine",
    _BOOSTING: "catboost gbm gbdt gradient_boosting hist_gradient_boosting hgb "
    "sklearn.gradient_boosting gradientboostingclassifier histgradientboostingclassifier "
    "histgradientboostingregressor histgradientboosting boosting",
    _LOGISTIC: "lr logreg logit logistic logisticregression",
    _LINEAR: "ols lm linear linearregression least_squares lr",
    _RIDGE: "l2 ridgeclassifier ridge_regression",
    _FOREST: "rf forest randomforest randomforestclassifier randomforestregressor",
    _EXTRA: "et extratrees extratreesclassifier extratreesregressor",
    _NEIGHBOURS: "knn k_nn nearest_neighbors kneighbors kneighborsclassifier kneighborsregressor",
    _BAYES: "nb gaussian_nb gaussiannb multinomialnb bayes",
    _SVM: "svc svr linear_svc linearsvc support_vector_machine",
    _MLP: "nn neural_network mlpclassifier mlpregressor neural_net perceptron ann dnn",
    "keras.mlp": "keras keras_mlp tensorflow tf",
    "torch.mlp": "pytorch torch pytorch_mlp torch_mlp",
    "torch.cnn": "cnn convnet convolutional convolutional_network lenet",
    "torch.rnn": "rnn lstm gru recurrent recurrent_network",
    "torch.transformer": "transformer encoder attention",
    "sklearn.dummy": "dummy dummyclassifier dummyregressor majority constant most_frequent",
    "scale": "standardize standardise normalize normalise standard_scaler standardscaler scaler minmax zscore robust",
    "encode": "one_hot onehot ohe one_hot_encoder ordinal label_encode label_encoder target_encode encoder dummies get_dummies",
    "impute": "imputer fillna fill fill_missing simple_imputer",
    "bin": "bucketize discretize discretise bins kbins cut qcut",
    "interact": "polynomial cross interaction interactions poly crosses",
    "dates": "date datetime date_parts calendar",
    "tfidf": "tf_idf tfidfvectorizer tfidf_vectorizer text bag_of_words vectorize count_vectorizer countvectorizer",
    "select": "keep passthrough only",
    "drop": "remove delete exclude",
    "log": "log1p logarithm",
    "postgresql": "postgres pg psql",
    "mongodb": "mongo",
    "blob": "s3 gcs azure azure_blob object_storage bucket",
    "json_lines": "jsonl ndjson json",
    "parquet": "pq arrow",
    "hdf5": "h5 hdf",
    "csv": "tsv text delimited",
    "sql": "mysql sqlite database db mssql oracle",
    "folder": "directory dir",
    "custom": "python py own function callable user",
    "missing": "not_null no_nulls nulls null missing_values completeness",
    "duplicates": "duplicate dedup no_duplicates deduplicate",
    "range": "between bounds in_range min_max",
    "row_count": "rows count n_rows size",
    "tflite": "tflite_runtime tensorflow_lite litert tf_lite ai_edge_litert",
    "coreml": "mlmodel apple",
    "tensorrt": "trt",
    "openvino": "vino ov",
    "onnx": "onnxruntime onnx_runtime ort",
    "blue_green": "bluegreen blue green",
    "canary": "progressive gradual",
    "rolling": "rolling_update",
    "shadow": "mirror mirroring dark",
    "webhook": "http hook teams msteams",
    "email": "mail smtp",
    "wandb": "weights_and_biases weights_biases",
    # words of a list
    "classification": "binary binary_classification multiclass classify classifier multi_class",
    "regression": "regress regressor continuous",
    "forecasting": "forecast timeseries time_series",
    "anomaly": "anomaly_detection outlier outliers outlier_detection",
    "clustering": "cluster segmentation kmeans",
    "recommendation": "recommender recsys recommend ranking",
    "integer": "int int64 int32 long whole",
    "number": "float double numeric float64 float32 decimal real integer int",
    "string": "str text object varchar char",
    "category": "categorical factor enum nominal str string",
    "boolean": "bool flag logical",
    "datetime": "timestamp",
    "id": "key index identifier primary_key",
    "ignore": "skip drop exclude ignored unused",
    "feature": "input predictor x covariate",
    "time": "timestamp date datetime",
    "temporal": "timeseries time_series chronological time sequential",
    "stratified": "stratify",
    "group": "grouped groups groupby",
    "random": "shuffle shuffled",
    "production": "prod live",
    "pilot": "staging test beta",
    "proof_of_concept": "poc prototype dev development experiment",
    "on_premises": "on_prem onprem on_premise local",
    "kubernetes": "k8s kube",
    "compose": "docker docker_compose",
    "online": "real_time realtime rest api",
    "stream": "streaming",
    "batch": "offline",
    "float16": "fp16 half",
    "int8": "quantized quint8 int_8",
    "chi2": "chi_square chi_squared chisquare chi",
    "ks": "kolmogorov_smirnov kstest",
    "psi": "population_stability_index",
    "benjamini_hochberg": "bh fdr",
    "bayesian": "bayes tpe optuna",
    "grid": "grid_search gridsearch",
    "full": "outer",
    "stop": "fail error raise abort",
    "warn": "warning",
}
"""What the language calls it -> what people write. A word may mean several things: the one that can stand in the place counts."""

SYNONYMS: dict[str, tuple[str, ...]] = {}
for _name, _words in _FIELD.items():
    for _word in _words.split():
        SYNONYMS[_word] = (*SYNONYMS.get(_word, ()), _name)

_ROWS = ("1234567890-", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEAR: dict[str, str] = {
    letter: "".join(row[max(at - 1, 0) : at + 2] for row in _ROWS[max(line - 1, 0) : line + 2])
    for line, keys in enumerate(_ROWS)
    for at, letter in enumerate(keys)
}


MAX_WORD = 80  # letters: what is longer is no slip of a word
MANY = 400


class Guess(NamedTuple):
    """A word that may have been meant. ``sure``: nothing else can well have been; ``same``: only case and signs differ."""

    word: str
    sure: bool
    same: bool = False


def bare(word: str) -> str:
    """Return the letters and digits of a word, in lower case."""
    return re.sub(r"[\W_]+", "", word).lower()


def guess(word: str, words: Iterable[str], synonyms: Mapping[str, tuple[str, ...]] = SYNONYMS) -> Guess | None:
    """Return the one of `words` that somebody meant who wrote `word`: the same but for its case or signs, a synonym, the nearest.

    None where nothing is near.
    """
    known = list(dict.fromkeys(words))
    letters = bare(word)
    alike = [one for one in known if bare(one) == letters] if letters else []
    if alike:
        return Guess(min(alike, key=lambda one: distance(word, one)), len(alike) == 1, same=True)
    normal = re.sub(r"[\W_]+", "_", word.lower()).strip("_")
    meant = [one for form in dict.fromkeys((word.lower(), normal, letters)) for one in synonyms.get(form, ()) if one in known]
    if len(known) > MANY:  # too many to weigh each
        known = [one for one in known if abs(len(one) - len(word)) <= 3 and (one[:2] == word[:2] or one[-2:] == word[-2:])][:MANY]
    near = sorted((_score(word, one), place, one) for place, one in enumerate(known))
    if meant and (not near or near[0][0] > 0.7 or near[0][2] == meant[0]):
        return Guess(meant[0], sure=True)
    if not near or near[0][0] > max(1.3, min(0.45 * max(len(word), len(near[0][2])), 4.0)):
        return None
    first, ahead = near[0], near[1][0] - near[0][0] if len(near) > 1 else 9.0
    return Guess(first[2], sure=first[0] <= min(2.0, 0.34 * len(word)) and ahead >= 0.75)


def close(word: str, words: Iterable[str]) -> Guess | None:
    """Return a word so near that `word` is most likely a slip of it: for places where other words are right, too.

    Words that differ in their digits only, such as ``age1`` and ``age2``, are two names; so are short ones that differ at all.
    """
    best: tuple[float, str] | None = None
    for one in words:
        same = bare(one) == bare(word)
        if not same and (min(len(one), len(word)) < 3 or re.sub(r"\d", "", one) == re.sub(r"\d", "", word)):
            continue
        far = 0.1 if same else distance(word, one)
        if far <= min(2.0, 0.34 * len(one)) and (best is None or far < best[0]):
            best = (far, one)
    return Guess(best[1], sure=True, same=bare(best[1]) == bare(word)) if best else None


def _score(word: str, one: str) -> float:
    """Return how far a word is from one that is known, by letters or by being a part of it."""
    low, other = word.lower(), one.lower()
    tail = other.rpartition(".")[2]
    far = distance(word, one)
    if tail != other:
        far = min(far, distance(low, tail) + 0.1)
    if len(low) >= 3 and (other.startswith(low) or tail.startswith(low)):
        far = min(far, 1.2 + 0.05 * (len(tail) - len(low)))
    elif len(low) >= 3 and low in re.split(r"[._]", other):
        far = min(far, 1.25 + 0.05 * (len(other) - len(low)))
    elif len(other) >= 4 and re.match(rf"{re.escape(other)}(?=[\W_])", low):
        far = min(far, 1.3)
    return far


def distance(word: str, other: str) -> float:
    """Return the weighted number of slips that make `word` of `other`: Damerau and Levenshtein's, where likely slips cost less.

    Neighbours on the keyboard, doubled letters and two letters exchanged cost less; case and hyphens all but nothing.
    """
    if word == other:
        return 0.0
    if abs(len(word) - len(other)) > 8 or len(word) > MAX_WORD:
        return 99.0
    a, b = word.lower().replace("-", "_"), other.lower().replace("-", "_")
    case = 0.02 * sum(x != y for x, y in zip(word, other, strict=False)) if a == b else 0.0
    before: list[float] = []
    above = [float(column) for column in range(len(b) + 1)]
    for row, x in enumerate(a, 1):
        here = [float(row)]
        for column, y in enumerate(b, 1):
            more = 0.6 if row > 1 and a[row - 2] == x else 0.9  # a letter too many, perhaps typed twice
            less = 0.7 if column > 1 and b[column - 2] == y else 0.9  # a letter left out, perhaps of a pair
            cost = min(above[column] + more, here[column - 1] + less, above[column - 1] + _exchange(x, y))
            if row > 1 and column > 1 and x == b[column - 2] and y == a[row - 2] and x != y:
                cost = min(cost, before[column - 2] + 0.6)
            here.append(cost)
        before, above = above, here
    return above[-1] + case + (0.15 if a[:1] != b[:1] and above[-1] else 0.0)


def _exchange(x: str, y: str) -> float:
    if x == y:
        return 0.0
    if x.isdigit() and y.isdigit():
        return 1.5
    return 0.8 if y in _NEAR.get(x, "") else 1.0
