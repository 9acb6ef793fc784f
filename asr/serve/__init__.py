"""The recogniser over the network: OpenAI's transcriptions, Vosk's WebSocket, Wyoming, and a page beside them."""
