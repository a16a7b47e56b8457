"""What the papers ask of the method: comparisons, sweeps, analyses, few-shot, sprachbunds, new languages."""
