"""The fastText language identifier: train, calibrate, evaluate."""
