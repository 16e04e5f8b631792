"""Detections in the file formats of the field, each with a reader and a writer, and how they are checked.

A reader returns a table of ``hoi_id``, ``score``, eight box columns in continuous pixels and how the file names images:
``file_name``, ``image_id``, or ``image_index`` (the place in the test list). :func:`pipeline.metrics.detections.place` turns
any of these into places in the annotations' list of images.
"""
