"""Small neural networks of scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from mlspec.diagnostic import Finding
from mlspec.families import CLASSIFICATION, REGRESSION, Count, Family, Needs, NotNegative, Params, Positive, wrong

BelowOne = Annotated[float, Field(ge=0, lt=1)]


class MlpParams(Params):
    """Parameters of MLPClassifier and MLPRegressor."""

    task_only: ClassVar = {"loss": REGRESSION}

    loss: Literal["squared_error", "poisson"] = Field("squared_error", description="Regression: what is minimised.")
    hidden_layer_sizes: tuple[Count, ...] = Field((100,), strict=False, description="Units of each hidden layer.")
    activation: Literal["identity", "logistic", "tanh", "relu"] = Field("relu", description="Activation of the hidden units.")
    solver: Literal["adam", "sgd", "lbfgs"] = Field("adam", description="Algorithm; `lbfgs` suits a few thousand rows or fewer.")
    alpha: NotNegative = Field(1e-4, description="Strength of the L2 penalty.")
    batch_size: Count | Literal["auto"] = Field("auto", description="Rows in a step; auto is 200 or all, if fewer.")
    learning_rate: Literal["constant", "invscaling", "adaptive"] = Field(
        "constant", description="sgd: how the step size changes."
    )
    learning_rate_init: Positive = Field(1e-3, description="First step size of sgd and adam.")
    power_t: NotNegative = Field(0.5, description="sgd with invscaling: exponent of the step size.")
    max_iter: Count = Field(200, description="Most passes over the rows (iterations, with lbfgs).")
    shuffle: bool = Field(True, description="Whether rows are shuffled before each pass.")
    tol: NotNegative = Field(1e-4, description="Least progress that counts.")
    momentum: float = Field(0.9, ge=0, le=1, description="sgd: momentum.")
    nesterovs_momentum: bool = Field(True, description="sgd: whether momentum is Nesterov's.")
    early_stopping: bool = Field(False, description="Whether rows are held back to stop early.")
    validation_fraction: BelowOne = Field(0.1, description="Share of the training rows held back for early stopping.")
    beta_1: BelowOne = Field(0.9, description="adam: decay of the first moment.")
    beta_2: BelowOne = Field(0.999, description="adam: decay of the second moment.")
    epsilon: Positive = Field(1e-8, description="adam: guards against division by nothing.")
    n_iter_no_change: Count = Field(10, description="Passes without progress after which training stops.")
    max_fun: Count = Field(15000, description="lbfgs: most evaluations of the loss.")

    def findings(self, task: str) -> Iterator[Finding]:
        yield from super().findings(task)
        if self.early_stopping and self.solver == "lbfgs":
            yield wrong("early_stopping", "lbfgs has no early stopping", "`solver: adam` or `sgd`")


class Mlp(Family):
    """A small fully connected network: smooth functions of many features."""

    wants: ClassVar[Needs] = Needs(scale=True)
    kind: Literal["sklearn.mlp"] = "sklearn.mlp"
    params: MlpParams = Field(default_factory=MlpParams.model_construct)

    def estimator(self, task: str, seed: int) -> Any:
        from sklearn import neural_network

        name = "MLPClassifier" if task == CLASSIFICATION else "MLPRegressor"
        return getattr(neural_network, name)(**self.params.arguments(task), random_state=seed)


MEMBER = Mlp
