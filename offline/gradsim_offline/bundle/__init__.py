"""From trained models to a bundle: ONNX export with its parity gate, scoring through the service path, writing."""
