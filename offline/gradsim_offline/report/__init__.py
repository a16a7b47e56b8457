"""What a build has found, for people: one self-contained HTML page in the bundle, tables in the terminal."""
