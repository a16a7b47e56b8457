"""Answer texts with a bundle in this process, without a server and without torch: ``Bundle.open(...).predict(...)``."""

from gradsim_shared.privacy import send_no_usage_data

send_no_usage_data()  # before onnxruntime is imported, which reads it

from gradsim_runtime.bundle import Bundle, LanguageGroup, SimilarityMatrix  # noqa: E402
from gradsim_runtime.predictions import (  # noqa: E402
    AnswerPrediction,
    EntitiesPrediction,
    LabelPrediction,
    LabelsPrediction,
    Prediction,
    WordsPrediction,
)
from gradsim_shared.errors import BundleError, GradsimError, RequestError, SettingsError  # noqa: E402
from gradsim_shared.routing import Route  # noqa: E402

__all__ = [
    "AnswerPrediction",
    "Bundle",
    "BundleError",
    "EntitiesPrediction",
    "GradsimError",
    "LabelPrediction",
    "LabelsPrediction",
    "LanguageGroup",
    "Prediction",
    "RequestError",
    "Route",
    "SettingsError",
    "SimilarityMatrix",
    "WordsPrediction",
]
