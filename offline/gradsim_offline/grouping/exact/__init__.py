"""Proven optima: subset dynamic programming for few languages, column generation for more."""
