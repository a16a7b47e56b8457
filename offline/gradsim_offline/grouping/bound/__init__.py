"""Upper bounds of the grouping score, for searches that prove nothing."""
