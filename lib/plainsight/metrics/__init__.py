"""How well a heat map finds a lesion, what one scores that never saw the image, and how good made images are."""
