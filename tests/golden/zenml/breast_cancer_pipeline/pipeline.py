"""breast-cancer"""

from zenml import Model, pipeline
from zenml.enums import ExecutionMode

from breast_cancer_pipeline import params, steps
from breast_cancer_pipeline.files import inert


@pipeline(
    name="breast-cancer",
    model=Model(
        name="breast-cancer",
        description="Radiologists want a second reading of fine-needle samples, ranked by risk.",
    ),
    # a step that fails stops what needs it, and nothing else
    execution_mode=ExecutionMode.CONTINUE_ON_FAILURE,
)
def breast_cancer_pipeline(
    data_root: str = ".",
    registry_root: str = "registry",
) -> None:
    """Radiologists want a second reading of fine-needle samples, ranked by risk.

    Args:
        data_root: Directory that the paths of the data sources are relative to.
        registry_root: Directory of the model registry.
    """
    (
        ingest_data,
        ingest_profile,
    ) = steps.ingest(
        data_root=data_root,
        params=inert(params.INGEST),
    )
    (
        validate_data,
        _validate_quarantine,
        validate_report,
    ) = steps.validate(
        data=ingest_data,
        params=inert(params.VALIDATE),
    )
    check_data_report = steps.check_data(
        decision=validate_report,
        params=inert(params.CHECK_DATA),
    )
    (
        split_train,
        split_dev,
        split_test,
        split_manifest,
    ) = steps.split(
        data=validate_data,
        gate=check_data_report,
        params=inert(params.SPLIT),
    )
    (
        featurize_transformer,
        featurize_features,
    ) = steps.featurize(
        train=split_train,
        params=inert(params.FEATURIZE),
    )
    cross_validate_report = steps.cross_validate(
        train=split_train,
        params=inert(params.CROSS_VALIDATE),
    )
    train_model = steps.train(
        features=featurize_features,
        transformer=featurize_transformer,
        params=inert(params.TRAIN),
    )
    train_baseline_model = steps.train_baseline(
        features=featurize_features,
        transformer=featurize_transformer,
        params=inert(params.TRAIN_BASELINE),
    )
    (
        evaluate_metrics,
        evaluate_predictions,
        evaluate_curves,
    ) = steps.evaluate(
        model=train_model,
        train=split_train,
        dev=split_dev,
        test=split_test,
        params=inert(params.EVALUATE),
    )
    (
        evaluate_baseline_metrics,
        _evaluate_baseline_predictions,
        _evaluate_baseline_curves,
    ) = steps.evaluate_baseline(
        model=train_baseline_model,
        train=split_train,
        dev=split_dev,
        test=split_test,
        params=inert(params.EVALUATE_BASELINE),
    )
    explain_importance = steps.explain(
        model=train_model,
        test=split_test,
        params=inert(params.EXPLAIN),
    )
    decide_decision = steps.decide(
        metrics=evaluate_metrics,
        baseline=evaluate_baseline_metrics,
        validation=validate_report,
        manifest=split_manifest,
        cross_validation=cross_validate_report,
        params=inert(params.DECIDE),
    )
    steps.report(
        profile=ingest_profile,
        validation=validate_report,
        manifest=split_manifest,
        metrics=evaluate_metrics,
        curves=evaluate_curves,
        predictions=evaluate_predictions,
        decision=decide_decision,
        baseline=evaluate_baseline_metrics,
        cross_validation=cross_validate_report,
        importance=explain_importance,
        params=inert(params.REPORT),
    )
    gate_report = steps.gate(
        decision=decide_decision,
        params=inert(params.GATE),
    )
    package_package = steps.package(
        model=train_model,
        validation=validate_report,
        metrics=evaluate_metrics,
        decision=decide_decision,
        gate=gate_report,
        params=inert(params.PACKAGE),
    )
    steps.register(
        registry_root=registry_root,
        package=package_package,
        params=inert(params.REGISTER),
    )
