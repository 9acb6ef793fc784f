"""What is wrong with a corpus, before a network is trained on it."""
