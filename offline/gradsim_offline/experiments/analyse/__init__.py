"""What a researcher asks about measured similarities: correlations, keywords, topics, stability, agreement."""
