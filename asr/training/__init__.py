"""A recipe from its corpus to a trained and tested model."""
