"""V-COCO's own evaluation: role AP in two scenarios and agent AP, by the rules of the official program.

`people` is what is evaluated against, `detections` what is evaluated, `role_ap` the rules, `exchange` the program's layout.
"""
