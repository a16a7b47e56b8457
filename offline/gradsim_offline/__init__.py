"""The offline toolkit: measure, group, train, export and bundle. Read ``build.py`` first."""

from gradsim_shared.privacy import send_no_usage_data

send_no_usage_data()  # before any library is imported that reads it
