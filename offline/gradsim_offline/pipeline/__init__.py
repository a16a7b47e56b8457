"""The whole method: ``build.py`` first."""
