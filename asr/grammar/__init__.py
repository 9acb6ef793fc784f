"""Sentences: templates in, a graph for the decoder out, which also gives intents and slots and draws samples."""
