"""Where every training starts: a pre-trained encoder, or ``mini``, made from the build's own texts."""
