"""Observability: metrics for Prometheus, a log without texts, drift."""
