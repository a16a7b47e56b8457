"""Choose the groups: one file per solver; ``_objective.py`` says what all of them maximise."""
