"""Bring a trained model into the form that is served: ONNX, compared with what was trained."""
