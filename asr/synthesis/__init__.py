"""Speech out of text: voices, speakers, corpora, noise."""
