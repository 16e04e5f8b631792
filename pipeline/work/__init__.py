"""What a stage uses of the machinery around it: folders, shards, helper processes, devices."""
