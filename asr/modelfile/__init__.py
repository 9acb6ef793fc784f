"""Model files: what travels with the weights, and conversions between files."""
