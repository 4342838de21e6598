"""The terms of the field, and where the language and the rules have to do with them."""

from __future__ import annotations

from typing import NamedTuple


class Term(NamedTuple):
    """What a term means, the keys of the language it is about, and the topics of rules that look at it."""

    meaning: str
    routes: tuple[str, ...]
    topics: tuple[str, ...] = ()


TERMS: dict[str, Term] = {
    "A/B testing": Term(
        "Two versions serve at the same time, each its own share of users, until the difference of a metric is certain enough.",
        ("retraining.ab_test",),
        ("statistics",),
    ),
    "Bias": Term(
        "An error that always points the same way, often against one group; more data of the same sort does not cure it.",
        ("evaluation.fairness", "evaluation.slices"),
        ("evaluation", "leakage"),
    ),
    "Canary deployment": Term(
        "A new model serves a small share of the traffic first, more while its numbers hold, and none as soon as they do not.",
        ("deployment.pattern.canary",),
        ("deployment", "statistics"),
    ),
    "Concept drift": Term(
        "What the inputs mean for the target has changed: the same row would be labelled differently now. Only labels show it.",
        ("monitoring.concept_drift", "data.labels.delay"),
        ("monitoring", "statistics"),
    ),
    "Data drift": Term(
        "Inputs are distributed otherwise than those the model learnt from. It may or may not hurt.",
        ("monitoring.data_drift",),
        ("monitoring", "statistics"),
    ),
    "Feature engineering": Term(
        "Making columns that a model can learn from out of those there are; fitted on training rows alone.",
        ("features",),
        ("leakage",),
    ),
    "Human-level performance": Term(
        "How well people do the task on the same rows: an estimate of the best that the labels allow.",
        ("data.labels.human_level",),
        ("metrics",),
    ),
    "MLOps": Term(
        "What keeps a model useful after the first good score: data, training, release and watching as one repeatable process.",
        ("pipeline", "monitoring", "retraining"),
    ),
    "Model registry": Term(
        "Where versions of a model are kept with what made them, and which of them is in use.",
        ("registry", "evaluation.champion"),
        ("reproducibility",),
    ),
    "Pipeline": Term(
        "The steps from data to a released model, each with its inputs and outputs, so that a change reruns what depends on it.",
        ("pipeline", "steps"),
        ("reproducibility",),
    ),
    "Quantization": Term(
        "Weights and activations in fewer bits: smaller, often faster, and less exact, so it is measured, never assumed.",
        ("exports", "compress"),
        ("edge",),
    ),
    "Shadow mode": Term(
        "A new model answers real requests beside the present one, and nobody sees its answers.",
        ("deployment.pattern.shadow",),
        ("deployment",),
    ),
    "Technical debt": Term(
        "What a shortcut costs later: code without tests, data without a schema, a model without anyone who watches it.",
        ("requirements.maintainability", "project.risks"),
        ("planning", "reproducibility"),
    ),
}
"""The guide's glossary, in our words."""


def find(word: str) -> tuple[str, Term] | None:
    """Return the term that a word names, however it is cased or hyphenated."""
    bare = _bare(word)
    return next(((name, term) for name, term in TERMS.items() if _bare(name) == bare), None)


def _bare(word: str) -> str:
    return "".join(char for char in word.lower() if char.isalnum())
