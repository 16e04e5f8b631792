"""How the rendered world's persons, objects and backgrounds are drawn."""
