"""Numbers out of text: how often each term occurs, weighed by how few texts it occurs in."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StrictBool, StrictInt, field_validator

from mlspec.fields import fault
from mlspec.transforms import Context, Fitted, Names, Transform

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

Length = Annotated[StrictInt, Field(ge=1, le=9)]


@dataclass
class Terms:
    """What was counted in the training rows, and what scikit-learn's TfidfVectorizer is to do with it (`how`).

    `documents` is how many rows there were, and `frequencies` in how many of them each of a column's `terms` occurs. `names` are
    those of all columns that come out. No vectorizer is kept: it would hold an address of the process that made it.
    """

    how: dict[str, Any]
    names: list[str]
    documents: int
    terms: dict[str, list[str]]
    frequencies: dict[str, list[int]]

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        import polars as pl
        from scipy.sparse import hstack

        weights = hstack([self._weights(name, texts(frame[name])) for name in self.terms])
        # each column lies together, as Polars has it; of a square it would think that these are its rows
        return pl.from_numpy(weights.toarray(order="F"), schema=self.names, orient="row")

    def _weights(self, name: str, documents: list[str]) -> Any:
        import numpy as np
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(**self.how, vocabulary=self.terms[name])
        vectorizer.idf_ = np.log((1 + self.documents) / (1 + np.array(self.frequencies[name], dtype=float))) + 1
        return vectorizer.transform(documents)

    def given(self) -> dict[str, list[str]]:
        """Return the names of the columns that come out of each text column."""
        names = iter(self.names)
        return {name: list(islice(names, len(terms))) for name, terms in self.terms.items()}


class Tfidf(Transform):
    """Turn text into a number for each term: term frequency times inverse document frequency, as TfidfVectorizer's (Salton 1988).

    The weight of a term in a text is its count there times ln((1 + texts) / (1 + texts with the term)) + 1, and a text's weights
    are brought to one length. Terms and weights come from training rows; a term that these lack counts nothing. A missing text
    is the empty text: all its numbers are 0. The terms go with the model, also onto devices, as they are written: `min_df` keeps
    out what few rows say, such as names and numbers of people.
    """

    accepts: ClassVar = frozenset({"category"})
    after: ClassVar = "whole"
    kind: Literal["tfidf"] = "tfidf"
    columns: Names = Field(description="The text columns; each has terms of its own.")
    analyzer: Literal["word", "char_wb"] = Field(
        "word", description="Terms are words of two letters or more, or (char_wb) runs of letters inside words."
    )
    ngram_range: tuple[Length, Length] = Field(
        (1, 1), description="The fewest and the most words, or letters, of a term: [1, 2] takes pairs of words, too."
    )
    lowercase: StrictBool = Field(True, description="Whether capital letters count as small ones.")
    min_df: StrictInt = Field(2, ge=1, description="A term in fewer training rows than this is left out.")
    max_features: StrictInt = Field(
        2000, ge=1, le=20_000, description="Most terms of a column: those that occur most often, ties in the order of the term."
    )
    sublinear_tf: StrictBool = Field(False, description="Whether 1 + ln(count) stands in the place of the count.")
    norm: Literal["l2", "l1"] | None = Field(
        "l2", description="What is 1 for each text: the root of the sum of squares (l2) or the sum (l1) of its numbers."
    )

    @field_validator("ngram_range")
    @classmethod
    def _rising(cls, ngram_range: tuple[int, int]) -> tuple[int, int]:
        if ngram_range[0] > ngram_range[1]:
            raise fault("contradiction", f"{list(ngram_range)} has no length in it", "write the smaller number first")
        return ngram_range

    def on_one_scale(self) -> bool:
        return self.norm is not None

    def fit_transform(self, frame: pl.DataFrame, target: np.ndarray[Any, Any], context: Context) -> tuple[Fitted, pl.DataFrame]:
        from mlspec.transforms.encode import told_apart

        counted = {name: self._counted(texts(frame[name])) for name in frame.columns}
        names = told_apart(f"{name}:{term}" for name, terms in counted.items() for term in terms)
        how = {**self._words(), "sublinear_tf": self.sublinear_tf, "norm": self.norm}
        terms = {name: [*one] for name, one in counted.items()}
        fitted = Terms(how, names, frame.height, terms, {name: [*one.values()] for name, one in counted.items()})
        return fitted, fitted.transform(frame)

    def _words(self) -> dict[str, Any]:
        return {"analyzer": self.analyzer, "ngram_range": tuple(self.ngram_range), "lowercase": self.lowercase}

    def _counted(self, documents: list[str]) -> dict[str, int]:
        """Return the terms to count, in order, and in how many of the documents each of them occurs.

        scikit-learn's own `max_features` breaks ties by a sort that is not stable, and that differs from processor to processor.
        """
        import numpy as np
        from sklearn.feature_extraction.text import CountVectorizer

        counter = CountVectorizer(**self._words(), min_df=self.min_df)
        counts = counter.fit_transform(documents)
        most = np.sort(np.argsort(-np.asarray(counts.sum(axis=0)).ravel(), kind="stable")[: self.max_features])
        terms = (str(one) for one in counter.get_feature_names_out()[most])
        return dict(zip(terms, counts[:, most].getnnz(axis=0).tolist(), strict=True))


def texts(column: pl.Series) -> list[str]:
    """Return the texts of a column, a missing one as the empty text."""
    return column.fill_null("").to_list()


MEMBER = Tfidf
