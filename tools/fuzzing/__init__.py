"""Inputs that nobody writes, for everything that reads files or messages of strangers."""
