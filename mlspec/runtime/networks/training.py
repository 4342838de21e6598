"""How a network learns: batches, epochs, early stopping, states to go on from, and the same bytes from the same rows."""

from __future__ import annotations

import hashlib
import io
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from mlspec.diagnostic import Finding, Problem, Route
from mlspec.runtime.networks.layers import Chance

LOG = logging.getLogger("mlspec.run")

AT_ONCE = 1024
"""Rows that are scored together."""

ON_THE_DEVICE = 2**31
"""Up to so many bytes, all rows are put on the device at once."""

PLATEAU = 3
"""Epochs without a gain after which `schedule: plateau` halves the learning rate."""

LEAST = 1e-6
"""The least probability that a teacher is taken to give: a forest says 0 of what it has not seen."""

EXACT = os.environ.get("CUBLAS_WORKSPACE_CONFIG", ":16:8")
"""What cuBLAS, and recurrent layers on it, need to give the same bytes twice; it is read before the first call."""

_lock = threading.Lock()
_users = 0
_before = False
_own_chance = threading.Lock()


@contextmanager
def reproducible() -> Iterator[None]:
    """One thread, and algorithms that give the same bytes twice: how a sum is split over threads decides its last bits.

    Threads count for the thread that asks, which algorithms are taken for the whole process: until the last of several has ended.
    """
    global _users, _before
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", EXACT)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with _lock:
        _users += 1
        if _users == 1:
            _before = torch.are_deterministic_algorithms_enabled()
            torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        with _lock:
            _users -= 1
            if _users == 0:
                torch.use_deterministic_algorithms(_before)


@contextmanager
def drawn_alone() -> Iterator[None]:
    """Let a module of the user's draw from PyTorch's own generator, which nobody else does meanwhile; leave it as it was."""
    with _own_chance, torch.random.fork_rng(devices=range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []):
        yield


def seed_of(*parts: Any) -> int:
    """Return a seed that depends on all parts: chance is drawn anew for each batch, so that a state need not hold it."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def chosen_device(asked: str, route: Route) -> str:
    """Return "cpu" or "cuda"; raise Problem where there is no such device."""
    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        message = "`device: cuda` is asked for, and PyTorch finds no such device here"
        raise Problem(Finding("no-device", message, route, help="write `device: auto`, which takes one where there is one"))
    return "cuda" if asked != "cpu" and there else "cpu"


@dataclass(frozen=True)
class Plan:
    """How a network is trained. `unit` is what 1 is in the answers' own unit (regression). `labels` is how much labels count
    beside a teacher's lessons, which are softened by `temperature`.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str
    weight_decay: float
    gradient_clip: float | None
    patience: int | None
    min_delta: float
    device: str
    mixed_precision: str
    seed: int
    loss: str
    unit: float = 1.0
    temperature: float = 1.0
    labels: float = 1.0

    @property
    def short_numbers(self) -> bool:
        """Whether bfloat16 is used: it keeps float32's range, so that gradients need no scaling."""
        if self.mixed_precision == "auto":
            return self.device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return self.mixed_precision == "on"


@dataclass(frozen=True)
class Rows:
    """Rows as tensors: features, answers, a weight each, and what a teacher says of them, where there is one."""

    features: Any
    answers: Any
    weights: Any
    lessons: Any = None

    def __len__(self) -> int:
        return len(self.features)

    def on(self, device: str) -> Rows:
        """Return the rows where they are computed with, if they fit there; else each batch is sent."""
        if self.features.nbytes > ON_THE_DEVICE:
            return self
        return Rows(*(one if one is None else one.to(device) for one in self._parts()))

    def _parts(self) -> tuple[Any, Any, Any, Any]:
        return self.features, self.answers, self.weights, self.lessons

    def at(self, places: Any, device: str) -> Rows:
        places = places.to(self.features.device)
        return Rows(*(one if one is None else one[places].to(device) for one in self._parts()))


@dataclass
class Progress:
    """Where training is: all of it is part of a state."""

    epoch: int = 0
    batch: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0] * 4)
    history: list[dict[str, float | int | None]] = field(default_factory=list)
    best_loss: float = math.inf
    best_epoch: int = 0
    factor: float = 1.0
    waited: int = 0


def parts(rows: int, batch_size: int) -> list[tuple[int, int]]:
    """Where batches begin and end. A last one of a single row joins the one before it: batch norm needs two."""
    size = min(batch_size, rows)
    starts = list(range(0, rows, size))
    if len(starts) > 1 and rows - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], rows], strict=True))


def order_of(plan: Plan, epoch: int, rows: int) -> Any:
    """The order in which an epoch takes its rows, as places: it depends on the seed and the epoch alone."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(seed_of(plan.seed, "order", epoch)))


def finite(loss: float, epoch: int) -> None:
    """Raise ValueError where the loss of an epoch, which is counted from 0, is no number any more."""
    if not math.isfinite(loss):
        message = f"training has diverged in epoch {epoch + 1}: the loss is {loss}"
        raise ValueError(f"{message}; a lower `learning_rate`, or a `gradient_clip`, may keep it")


def point(
    plan: Plan, epoch: int, train: tuple[float, float], held: tuple[float | None, float | None]
) -> dict[str, float | int | None]:
    """Return what an epoch, which is counted from 0, adds to the learning curves: loss and metric on both sorts of rows."""
    name = "accuracy" if plan.loss == "log_loss" else "rmse"
    told = {"train_loss": train[0], "validation_loss": held[0], f"train_{name}": train[1], f"validation_{name}": held[1]}
    return {"epoch": epoch + 1, **told}


class Teller:
    """Logs how far training is, at most a line a second."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self._told = plan, -math.inf

    def __call__(self, history: Sequence[Mapping[str, float | int | None]], last: bool) -> None:
        """Tell of the newest epoch; of the `last` one in any case."""
        at = time.monotonic()
        if at - self._told < 1 and not last:
            return
        self._told = at
        named = {name: value for name, value in history[-1].items() if value is not None and name != "epoch"}
        words = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in named.items())
        LOG.info("epoch %d of %d: %s", history[-1]["epoch"], self.plan.epochs, words)


def learned(
    network: Any, rows: Rows, held: Rows | None, plan: Plan, states: Any = None, masks: Mapping[str, Any] | None = None
) -> Progress:
    """Train a network, and leave in it what it has learned: with rows held back, the state that did best on them.

    With `states`, training goes on from the newest of them, to the same bytes as if it had never been interrupted. `masks`, by
    the name of a weight, say which of its numbers stay 0.
    """
    fixed = {name: mask.to(plan.device) for name, mask in (masks or {}).items()}
    return _Training(network, rows.on(plan.device), held and held.on(plan.device), plan, states, fixed).run()


class _Training:
    def __init__(self, network: Any, rows: Rows, held: Rows | None, plan: Plan, states: Any, masks: Mapping[str, Any]) -> None:
        self.network, self.rows, self.held, self.plan, self.states = network.to(plan.device), rows, held, plan, states
        self.masks = masks
        learns = [one for one in network.parameters() if one.requires_grad]
        self.optimizer = torch.optim.AdamW(learns, lr=plan.learning_rate, weight_decay=plan.weight_decay, foreach=False)
        self.parts = parts(len(rows), plan.batch_size)
        self.now = Progress()
        self.best: dict[str, Any] | None = None
        self.ours = hasattr(network, "chance")
        if self.ours:
            network.chance = Chance(0, plan.device)
        self.tell = Teller(plan)

    def run(self) -> Progress:
        self._resume()
        while self.now.epoch < self.plan.epochs and not self._stopped():
            self._epoch()
        if self.best is not None:
            self.network.load_state_dict(self.best)
        self.network.eval()
        return self.now

    def _stopped(self) -> bool:
        return self.plan.patience is not None and self.now.epoch - self.now.best_epoch >= self.plan.patience

    def _epoch(self) -> None:
        now = self.now
        order = order_of(self.plan, now.epoch, len(self.rows))
        self.network.train()
        while now.batch < len(self.parts):
            start, end = self.parts[now.batch]
            self._step(order[start:end])
            now.batch += 1
            if now.batch < len(self.parts) and self.states is not None and self.states.due():
                self._keep()
        self._judge()
        now.epoch, now.batch, now.sums = now.epoch + 1, 0, [0.0] * 4
        self.tell(now.history, now.epoch == self.plan.epochs or self._stopped())
        if self.states is not None and self.states.due() and now.epoch < self.plan.epochs:
            self._keep()

    def _step(self, places: Any) -> None:
        now, plan = self.now, self.plan
        batch = self.rows.at(places, plan.device)
        weights = batch.weights
        for group in self.optimizer.param_groups:
            group["lr"] = plan.learning_rate * self._factor()
        self.optimizer.zero_grad(set_to_none=True)
        with self._chance(seed_of(plan.seed, "batch", now.epoch, now.batch)):
            given = self._given(batch.features)
            losses = self._losses(given, batch)
            loss = (losses * weights).sum() / weights.sum()
            loss.backward()
        if plan.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), plan.gradient_clip, foreach=False)
        self.optimizer.step()
        if self.masks:
            self._mask()
        self._count(now.sums, given.detach(), losses.detach(), batch.answers, weights)

    def _mask(self) -> None:
        with torch.no_grad():
            for name, one in self.network.named_parameters():
                if name in self.masks:
                    one.masked_fill_(self.masks[name], 0.0)

    @contextmanager
    def _chance(self, seed: int) -> Iterator[None]:
        if self.ours:
            self.network.chance.generator.manual_seed(seed)
            yield
            return
        with drawn_alone():
            torch.manual_seed(seed)
            yield

    def _given(self, features: Any) -> Any:
        with torch.autocast(self.plan.device, torch.bfloat16, enabled=self.plan.short_numbers):
            given = self.network(features)
        return given.float()

    def _losses(self, given: Any, batch: Rows) -> Any:
        losses = LOSSES[self.plan.loss](given, batch.answers)
        if batch.lessons is None:
            return losses
        apart = self._apart(given, batch.lessons)
        return self.plan.labels * losses + (1 - self.plan.labels) * apart

    def _apart(self, given: Any, lessons: Any) -> Any:
        """How far the answers are from the teacher's (Hinton et al., 2015): the square keeps gradients as large as those of the
        labels, whatever the temperature.
        """
        if self.plan.loss != "log_loss":
            return LOSSES[self.plan.loss](given, lessons[:, 0])
        soft = self.plan.temperature
        wanted = torch.log_softmax(lessons.clamp_min(LEAST).log() / soft, dim=1)
        told = torch.log_softmax(given / soft, dim=1)
        return soft**2 * (wanted.exp() * (wanted - told)).sum(dim=1)

    def _count(self, sums: list[float], given: Any, losses: Any, answers: Any, weights: Any) -> None:
        """Add up weighted losses, weights, what the metric counts, and rows."""
        counted = given.argmax(dim=1) == answers if self.plan.loss == "log_loss" else (given[:, 0] - answers) ** 2
        found = torch.stack([(losses * weights).double().sum(), weights.double().sum(), counted.double().sum()]).tolist()
        for index, one in enumerate((*found, float(len(answers)))):
            sums[index] += one

    def _factor(self) -> float:
        """What the learning rate is multiplied by: with `cosine` it falls along half a wave (Loshchilov & Hutter, 2017)."""
        if self.plan.schedule == "cosine":
            done = (self.now.epoch + self.now.batch / len(self.parts)) / self.plan.epochs
            return 0.5 * (1 + math.cos(math.pi * done))
        return self.now.factor

    def _judge(self) -> None:
        now, plan = self.now, self.plan
        train = self._means(now.sums)
        finite(train[0], now.epoch)
        held = (None, None) if self.held is None else self._held_back()
        now.history.append(point(plan, now.epoch, train, held))
        loss = train[0] if held[0] is None else held[0]
        if loss < now.best_loss - plan.min_delta:
            now.best_loss, now.best_epoch, now.waited = loss, now.epoch + 1, 0
            if self.held is not None:
                self.best = {name: one.detach().clone() for name, one in self.network.state_dict().items()}
        else:
            now.waited += 1
            if plan.schedule == "plateau" and now.waited % PLATEAU == 0:
                now.factor /= 2

    def _held_back(self) -> tuple[float, float]:
        assert self.held is not None
        self.network.eval()
        sums = [0.0] * 4
        with torch.no_grad():
            for start in range(0, len(self.held), AT_ONCE):
                places = torch.arange(start, min(start + AT_ONCE, len(self.held)))
                batch = self.held.at(places, self.plan.device)
                given = self._given(batch.features)
                self._count(sums, given, self._losses(given, batch), batch.answers, batch.weights)
        return self._means(sums)

    def _means(self, sums: Sequence[float]) -> tuple[float, float]:
        loss, share = sums[0] / sums[1], sums[2] / sums[3]
        return loss, share if self.plan.loss == "log_loss" else math.sqrt(share) * self.plan.unit

    # -- states

    def _keep(self) -> None:
        file = io.BytesIO()
        whole = {
            "progress": vars(self.now),
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
        }
        torch.save(whole, file)
        self.states.write(self.now.epoch * len(self.parts) + self.now.batch, file.getvalue())

    def _resume(self) -> None:
        for state in self.states.newest() if self.states is not None else ():
            whole = torch.load(io.BytesIO(state), map_location=self.plan.device, weights_only=True)
            self.network.load_state_dict(whole["network"])
            self.optimizer.load_state_dict(whole["optimizer"])
            self.best = whole["best"]
            self.now = Progress(**whole["progress"])
            LOG.info("training goes on in epoch %d of %d, after %d batches", self.now.epoch + 1, self.plan.epochs, self.now.batch)
            return


LOSSES: Mapping[str, Callable[[Any, Any], Any]] = {
    "log_loss": lambda given, answers: functional.cross_entropy(given, answers, reduction="none"),
    "squared_error": lambda given, answers: (given[:, 0] - answers) ** 2,
    "absolute_error": lambda given, answers: (given[:, 0] - answers).abs(),
    "huber": lambda given, answers: functional.huber_loss(given[:, 0], answers, reduction="none"),
}


def answered(run: Callable[[Any], Any], features: Any) -> Any:
    """Return what a network gives for rows, as float64, a part of them at a time."""
    with reproducible(), torch.inference_mode():
        parts = [run(features[start : start + AT_ONCE]).numpy() for start in range(0, len(features), AT_ONCE)]
    return np.concatenate(parts).astype(np.float64)
