"""Trains heart-disease classifiers and registers each as heart-disease-ALGORITHM in MLflow.

Usage: python src/models/train.py [--algorithm NAME [--param NAME=VALUE]...]

The metrics are means over a repeated stratified cross-validation of the whole pipeline, preprocessing included; the
registered model is the same pipeline fitted on all patients. Where to log (MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME)
comes from the environment, as always with MLflow.
"""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

PROJECT = Path(__file__).resolve().parents[2]
TARGET = "disease"
CATEGORIES = ["sex", "chest_pain", "resting_ecg", "st_slope", "thal"]
SEED = 20
FOLDS, REPEATS = 5, 3
SCORERS = {"roc_auc": ("roc_auc", 1), "brier": ("neg_brier_score", -1), "accuracy": ("accuracy", 1)}
# MLflow stores models with skops, which loads nothing but types it knows. These are ours, made by this very script.
TRUSTED_TYPES = [
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.tree._tree.Tree",
]

ALGORITHMS: dict[str, BaseEstimator] = {
    "logistic_regression": LogisticRegression(max_iter=1000),
    "random_forest": RandomForestClassifier(n_estimators=100, random_state=SEED),
    "gradient_boosting": GradientBoostingClassifier(random_state=SEED),
    "svm": CalibratedClassifierCV(SVC(), ensemble=False),
    "knn": KNeighborsClassifier(n_neighbors=15),
}


def load_patients() -> tuple[pd.DataFrame, pd.Series]:
    """The features and the target; numbers as floats, because a column of integers could not hold a missing value."""
    patients = pd.read_csv(PROJECT / "data" / "heart_disease.csv")
    features = patients.drop(columns=TARGET)
    numbers = features.columns.difference(CATEGORIES)
    return features.astype(dict.fromkeys(numbers, "float64")), patients[TARGET]


def build_pipeline(classifier: BaseEstimator, features: pd.DataFrame) -> Pipeline:
    """Fill gaps, scale numbers, one-hot encode categories, classify."""
    numbers = [column for column in features.columns if column not in CATEGORIES]
    encode = OneHotEncoder(handle_unknown="ignore", drop="if_binary")
    preprocess = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            ("categories", make_pipeline(SimpleImputer(strategy="most_frequent"), encode), CATEGORIES),
        ]
    )
    return Pipeline([("preprocess", preprocess), ("classifier", classifier)])


def evaluate(pipeline: Pipeline, features: pd.DataFrame, target: pd.Series) -> dict[str, float]:
    """Mean and standard deviation of each score over all folds, on patients the fold's model has not seen."""
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=SEED)
    scoring = {name: scorer for name, (scorer, _) in SCORERS.items()}
    scores = cross_validate(pipeline, features, target, cv=folds, scoring=scoring)
    metrics = {}
    for name, (_, sign) in SCORERS.items():
        values = sign * scores[f"test_{name}"]
        metrics[name] = float(values.mean())
        metrics[f"{name}_std"] = float(values.std())
    return metrics


def train(algorithm: str, parameters: dict[str, object]) -> None:
    """Evaluate one algorithm, fit it on all patients, log and register it."""
    features, target = load_patients()
    classifier = ALGORITHMS[algorithm].set_params(**parameters)
    pipeline = build_pipeline(classifier, features)
    with mlflow.start_run(run_name=algorithm):
        mlflow.log_params(
            {"algorithm": algorithm, "folds": FOLDS, "repeats": REPEATS, "seed": SEED, **parameters}
        )
        metrics = evaluate(pipeline, features, target)
        pipeline.fit(features, target)
        model = mlflow.sklearn.log_model(
            pipeline,
            name="model",
            signature=infer_signature(features, pipeline.predict_proba(features)),
            input_example=features.head(3),
            pyfunc_predict_fn="predict_proba",
            skops_trusted_types=TRUSTED_TYPES,
            pip_requirements=str(PROJECT / "requirements.txt"),
            registered_model_name=f"heart-disease-{algorithm}",
        )
        mlflow.log_metrics(metrics, model_id=model.model_id)
    print(
        f"{algorithm}: "
        + ", ".join(f"{name} {metrics[name]:.4f} ± {metrics[name + '_std']:.4f}" for name in SCORERS)
    )


def parameter(text: str) -> tuple[str, object]:
    """NAME=VALUE; the value is a Python literal or else a word."""
    name, _, value = text.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Train heart-disease classifiers and register them in MLflow."
    )
    parser.add_argument("--algorithm", choices=ALGORITHMS, help="train only this one; all in turn without it")
    parser.add_argument(
        "--param",
        type=parameter,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a parameter of the algorithm; needs --algorithm",
    )
    arguments = parser.parse_args()
    if arguments.param and not arguments.algorithm:
        parser.error("--param needs --algorithm")
    for algorithm in [arguments.algorithm] if arguments.algorithm else ALGORITHMS:
        train(algorithm, dict(arguments.param))


if __name__ == "__main__":
    main()
