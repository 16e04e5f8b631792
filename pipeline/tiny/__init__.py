"""How the tiny CLIP that the demo ships is trained."""
