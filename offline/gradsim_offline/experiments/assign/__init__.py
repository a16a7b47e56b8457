"""A new language without retraining: find the group that would serve it best, and add it to a finished bundle."""
