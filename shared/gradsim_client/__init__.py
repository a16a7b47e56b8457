"""A typed client of the service, synchronous and asynchronous; it needs httpx and pydantic, and no model library."""

from gradsim_client.clients import AsyncClient, Client
from gradsim_client.errors import ServiceError
from gradsim_client.retries import RetryPolicy
from gradsim_shared.group_messages import ServedGroup
from gradsim_shared.messages import (
    AnswerPrediction,
    AnswerSpan,
    Candidate,
    EntitiesPrediction,
    Entity,
    LabelPrediction,
    LabelsPrediction,
    Prediction,
    Route,
    ServedLanguage,
    Share,
    Word,
    WordsPrediction,
)

__all__ = [
    "AnswerPrediction",
    "AnswerSpan",
    "AsyncClient",
    "Candidate",
    "Client",
    "EntitiesPrediction",
    "Entity",
    "LabelPrediction",
    "LabelsPrediction",
    "Prediction",
    "RetryPolicy",
    "Route",
    "ServedGroup",
    "ServedLanguage",
    "ServiceError",
    "Share",
    "Word",
    "WordsPrediction",
]
