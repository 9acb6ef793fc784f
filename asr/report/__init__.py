"""Pictures of what was recognised and how."""
