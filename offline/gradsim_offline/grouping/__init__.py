"""The grouping problem: objective, constraints, choosing K; solvers are in ``solvers/``."""
