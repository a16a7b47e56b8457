"""The offline toolkit: measure, group, train, export and bundle. Read ``build.py`` first."""
