"""The similarity matrix S and what measures are made of; the measures are in ``measures/``."""
