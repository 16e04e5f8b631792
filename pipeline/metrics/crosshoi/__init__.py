"""CrossHOI-Bench's evaluation: questions with four choices, several of them right, answered by any method's detections.

`questions` reads a user's clone of it, `answers` makes answers of detections, `scores` counts them.
"""
