"""The service: identify the language of a text, route it to a group, answer from that group's model."""
