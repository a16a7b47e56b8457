"""The service: identify the language of a text, route it to a group, answer from that group's model."""

from gradsim_shared.privacy import send_no_usage_data

send_no_usage_data()  # before any library is imported that reads it
