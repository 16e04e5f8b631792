"""CrossHOI-Bench's yardstick: four choices a question, several of them right, answered from any method's detections.

`questions` reads a user's clone of it, `answers` makes answers of detections, `scores` counts them.
"""
