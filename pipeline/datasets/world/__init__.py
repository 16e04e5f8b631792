"""The rendered world: synthetic human-object interaction scenes, drawn from nothing but a seed."""
