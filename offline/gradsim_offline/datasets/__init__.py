"""Readers of labelled texts; the sources are in ``sources/``."""
