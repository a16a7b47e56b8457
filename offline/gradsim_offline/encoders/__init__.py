"""Where every training starts from: a pre-trained encoder, or ``mini``, made from the build's own texts."""
