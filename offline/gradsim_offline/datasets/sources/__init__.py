"""Where labelled texts come from: one file per source."""
