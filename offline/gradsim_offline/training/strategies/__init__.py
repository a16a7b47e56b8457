"""What a training step does with the gradients of several languages; a file is a strategy, by its name."""
