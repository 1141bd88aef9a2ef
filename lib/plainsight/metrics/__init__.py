"""How well a heat map finds a lesion, and what a heat map scores that never saw the image."""
