"""What the engine of ONNX Runtime is made of: its execution providers."""
