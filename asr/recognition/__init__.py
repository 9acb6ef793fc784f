"""Sound -> transcripts, with times and confidence; on numpy and onnxruntime alone."""
