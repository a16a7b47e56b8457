"""From a model's outputs to answers, one file per task: the same for scores and for served answers."""
