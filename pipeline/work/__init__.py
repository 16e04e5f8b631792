"""What a stage sees of the machinery around it: folders, shards, helper processes, devices."""
