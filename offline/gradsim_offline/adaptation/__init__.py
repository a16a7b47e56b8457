"""Unlabelled text: continued masked-language-model pre-training, and languages gathered into sprachbunds."""
