"""Readers of the layouts in which HICO-DET's annotation circulates, one file each; `detect` chooses by content.

============ ============================================ ====================================================
layout        usual file                                   boxes in the file
============ ============================================ ====================================================
matlab        anno_bbox.mat (both splits), official        1-based inclusive
upt           instances_train2015.json, ..._test2015.json  1-based inclusive; two orders of the objects
hake          hico-det-training-set-instance-level.json    1-based inclusive; training images only
ppdm          trainval_hico.json, test_hico.json           train 0-based inclusive, test 1-based inclusive
parquet       pairs.parquet with images.parquet            1-based inclusive (this project's own)
============ ============================================ ====================================================

Every reader returns `pipeline.datasets.hico.rows.Rows`, which checks the rows of all layouts alike.
"""
