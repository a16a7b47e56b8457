"""The torch half of each task; the numpy half, which the server reads, is ``gradsim_shared.decode.<task>``."""
