"""Frames -> log-probabilities: the recurrent encoder and its ONNX graph."""
