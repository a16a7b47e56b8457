"""Encoders: loading any of Hugging Face form, and ``mini``, the small one of our own."""
