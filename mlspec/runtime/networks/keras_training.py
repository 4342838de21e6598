"""How Keras trains a model here: its own loop, optimizer and callbacks, and the same bytes from the same rows."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import torch

from mlspec.runtime.networks import training
from mlspec.runtime.networks.training import AT_ONCE, LEAST, LOG, PLATEAU, Plan, Progress, Rows, Teller

LOSSES: Mapping[str, Any] = {
    "log_loss": lambda answers, given: keras.losses.sparse_categorical_crossentropy(answers, given, from_logits=True),
    "squared_error": keras.losses.mean_squared_error,
    "absolute_error": keras.losses.mean_absolute_error,
    "huber": keras.losses.huber,
}


@contextmanager
def alone(seed: int, device: str, short_numbers: bool = False) -> Iterator[None]:
    """Have Keras to oneself, on a device, in float32 or in numbers that are short where that does no harm; all chance is seeded.

    Keras draws from Python's, NumPy's and PyTorch's generators. They are the process's, and are left as they were.
    """
    with training.drawn_alone(), keras.device(device):
        before = random.getstate(), np.random.get_state(), keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16" if short_numbers else "float32")
        keras.utils.set_random_seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
            keras.config.set_dtype_policy(before[2])


def learned(model: Any, rows: Rows, held: Rows | None, plan: Plan, states: Any = None) -> Progress:
    """Train a model, and leave in it what it has learned: with rows held back, the state that did best on them.

    With `states`, training goes on from the newest of them, to the same bytes as if it had never been interrupted; they are kept
    between epochs. To be called where Keras is had alone.
    """
    batches = Batches(rows, plan.batch_size, plan)
    model.compile(
        optimizer=_optimizer(plan, len(batches)),
        loss=Loss(plan),
        metrics=[keras.metrics.MeanMetricWrapper(_counted(plan), name="metric")],
        jit_compile=False,
    )
    stopping, plateau = _stopping(plan), _plateau(plan, held is not None)
    watch = Watch(plan, batches, states, [one for one in (stopping, plateau) if one is not None])
    model.fit(
        batches,
        epochs=plan.epochs,
        initial_epoch=watch.resumed(model),
        validation_data=None if held is None else Batches(held, AT_ONCE, plan, ordered=True),
        callbacks=[*watch.others, watch],
        shuffle=False,
        verbose=0,
    )
    epochs = len(watch.history)
    return Progress(epoch=epochs, history=watch.history, best_epoch=epochs if stopping is None else stopping.best_epoch + 1)


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras is not read by mypy here
    """Rows in batches, in an order that depends on the seed and the epoch alone, or as they lie.

    A batch is features, a weight a row, and a table: answers in its first column, behind them what a teacher says.
    """

    def __init__(self, rows: Rows, size: int, plan: Plan, *, ordered: bool = False) -> None:
        super().__init__()
        self.rows, self.plan, self.ordered = rows.on(plan.device), plan, ordered
        self.parts = training.parts(len(rows), size)
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Take the order of an epoch."""
        self.order = torch.arange(len(self.rows)) if self.ordered else training.order_of(self.plan, epoch, len(self.rows))

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        start, end = self.parts[index]
        batch = self.rows.at(self.order[start:end], self.plan.device)
        known = batch.answers[:, None].float()
        return batch.features, known if batch.lessons is None else torch.cat([known, batch.lessons], dim=1), batch.weights


class Loss(keras.losses.Loss):  # type: ignore[misc]
    """How far answers are from what is known of rows, and from what a teacher says of them (Hinton et al., 2015)."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(reduction="mean_with_sample_weight")
        self.plan = plan

    def call(self, known: Any, given: Any) -> Any:
        losses = LOSSES[self.plan.loss](known[:, :1], given)
        if known.shape[1] == 1:
            return losses
        return self.plan.labels * losses + (1 - self.plan.labels) * self._apart(known[:, 1:], given)

    def _apart(self, lessons: Any, given: Any) -> Any:
        if self.plan.loss != "log_loss":
            return LOSSES[self.plan.loss](lessons, given)
        soft = self.plan.temperature
        wanted = keras.ops.softmax(keras.ops.log(keras.ops.maximum(lessons, LEAST)) / soft)
        return soft**2 * keras.losses.kl_divergence(wanted, keras.ops.softmax(given / soft))


def _counted(plan: Plan) -> Any:
    """What the metric is the mean of, a number a row: whether the answer is right, or its squared error."""
    of = keras.metrics.sparse_categorical_accuracy if plan.loss == "log_loss" else keras.metrics.mean_squared_error
    return lambda known, given: of(known[:, :1], given)


def _optimizer(plan: Plan, steps: int) -> Any:
    rate = plan.learning_rate
    if plan.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=plan.epochs * steps)
    return keras.optimizers.AdamW(rate, weight_decay=plan.weight_decay, global_clipnorm=plan.gradient_clip)


def _stopping(plan: Plan) -> Any:
    if plan.patience is None:
        return None
    return keras.callbacks.EarlyStopping(
        "val_loss", min_delta=plan.min_delta, patience=plan.patience, mode="min", restore_best_weights=True
    )


def _plateau(plan: Plan, held: bool) -> Any:
    if plan.schedule != "plateau":
        return None
    watched = "val_loss" if held else "loss"
    return keras.callbacks.ReduceLROnPlateau(watched, factor=0.5, patience=PLATEAU, mode="min", min_delta=plan.min_delta)


STATE = ("best", "best_epoch", "best_weights", "wait", "cooldown_counter")
"""What the callbacks of Keras's that are used here know besides what they are built with."""


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes the learning curves, tells of them, and keeps states between epochs; it comes after the `others`, whose it keeps."""

    def __init__(self, plan: Plan, batches: Batches, states: Any, others: list[Any]) -> None:
        super().__init__()
        self.plan, self.batches, self.states, self.others = plan, batches, states, others
        self.history: list[dict[str, float | int | None]] = []
        self.tell = Teller(plan)
        self._kept: list[dict[str, Any]] = []

    def on_train_begin(self, logs: Any = None) -> None:
        for one, kept in zip(self.others, self._kept, strict=False):  # what they knew is gone when a training begins
            vars(one).update(kept)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.batches.begin(epoch)
        # what draws without a seed of its own, such as dropout in a model of the user's: no state holds where it was
        keras.utils.set_random_seed(training.seed_of(self.plan.seed, "epoch", epoch) % 2**32)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        training.finite(logs["loss"], epoch)
        held = (logs["val_loss"], self._metric(logs["val_metric"])) if "val_loss" in logs else (None, None)
        self.history.append(training.point(self.plan, epoch, (logs["loss"], self._metric(logs["metric"])), held))
        last = epoch + 1 == self.plan.epochs or bool(self.model.stop_training)
        self.tell(self.history, last)
        if self.states is not None and self.states.due() and not last:
            self._keep(epoch + 1)

    def _metric(self, mean: float) -> float:
        return mean if self.plan.loss == "log_loss" else float(mean**0.5) * self.plan.unit

    def _keep(self, epochs: int) -> None:
        others = [{name: value for name, value in vars(one).items() if name in STATE} for one in self.others]
        for one in others:
            if one.get("best_weights") is not None:
                one["best_weights"] = [torch.from_numpy(np.array(array)) for array in one["best_weights"]]
        file = io.BytesIO()
        values = [one.value.detach() for one in self._variables(self.model)]
        torch.save({"history": self.history, "variables": values, "others": others}, file)
        self.states.write(epochs * len(self.batches), file.getvalue())

    def resumed(self, model: Any) -> int:
        """Bring a model to where the newest state is; return how many epochs are behind it."""
        model.optimizer.build(model.trainable_variables)
        for state in self.states.newest() if self.states is not None else ():
            whole = torch.load(io.BytesIO(state), map_location=self.plan.device, weights_only=True)
            for variable, value in zip(self._variables(model), whole["variables"], strict=True):
                variable.assign(value)
            for one in whole["others"]:
                if one.get("best_weights") is not None:
                    one["best_weights"] = [tensor.cpu().numpy() for tensor in one["best_weights"]]
            self.history, self._kept = whole["history"], whole["others"]
            LOG.info("training goes on in epoch %d of %d", len(self.history) + 1, self.plan.epochs)
            break
        return len(self.history)

    @staticmethod
    def _variables(model: Any) -> list[Any]:
        """All that training changes: weights, means that norms keep, the states of dropout, and what the optimizer knows."""
        return [*model.variables, *model.optimizer.variables]
