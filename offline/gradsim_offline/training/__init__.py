"""Train models: ``loop.py`` is the one loop; what a batch holds is decided around it."""
