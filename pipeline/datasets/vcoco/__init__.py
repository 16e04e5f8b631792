"""V-COCO's annotation."""
