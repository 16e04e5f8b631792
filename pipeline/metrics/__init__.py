"""Evaluation of human-object interaction detections: how ground truth and detections are read, matched, and made into AP."""
