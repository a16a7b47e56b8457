"""A typed client of the service, synchronous and asynchronous; it needs httpx and pydantic, and no model library."""

from gradsim_client.clients import AsyncClient, Client
from gradsim_client.errors import ServiceError
from gradsim_client.retries import RetryPolicy
from gradsim_client.schemas import (
    Candidate,
    Entities,
    Entity,
    Prediction,
    Route,
    Sentiment,
    ServedGroup,
    ServedLanguage,
    Share,
    Word,
    Words,
)

__all__ = [
    "AsyncClient",
    "Candidate",
    "Client",
    "Entities",
    "Entity",
    "Prediction",
    "RetryPolicy",
    "Route",
    "Sentiment",
    "ServedGroup",
    "ServedLanguage",
    "ServiceError",
    "Share",
    "Word",
    "Words",
]
