"""What the benchmark of the service is made of: systems, their peers, traffic, a cheap source of load."""

from gradsim_shared.privacy import send_no_usage_data

send_no_usage_data()  # the peers inherit it
