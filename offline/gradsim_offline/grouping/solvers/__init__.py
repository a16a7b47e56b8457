"""Choose the groups: one file per solver; ``grouping/objective.py`` says what all of them maximise."""
