"""The recogniser in other homes: a page for a browser."""
