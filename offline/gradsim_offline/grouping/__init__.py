"""Choose the groups: one file per solver; ``objective.py`` says what all of them maximise."""
