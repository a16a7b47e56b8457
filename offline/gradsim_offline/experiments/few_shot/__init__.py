"""Few-shot transfer from one source language: the regimes of Xu & Murray (Findings of NAACL 2022), compared."""
