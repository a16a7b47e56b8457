"""Languages gathered by representations (Fan et al., EMNLP 2021), and one encoder trained per sprachbund."""
