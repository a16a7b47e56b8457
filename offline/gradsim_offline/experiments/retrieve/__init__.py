"""Retrieval of translations as an evaluation of encoders."""
