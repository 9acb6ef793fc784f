"""Manifests, corpora, batches, augmentation and speech synthesis."""
