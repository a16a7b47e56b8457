"""Score a finished bundle, or a service that runs it, on labelled data: ``gradsim-offline evaluate``."""
