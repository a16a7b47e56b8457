"""Score a bundle, in process or over HTTP, on labelled texts."""
