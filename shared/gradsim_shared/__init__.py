"""The contract between offline and serving: manifest, bundle layout, routing rule, decoding."""
