"""How the tiny CLIP and the tiny detector that the demo ships are trained."""
