"""What everything stands on: data, languages, settings, plug-ins, the run directory, progress."""
