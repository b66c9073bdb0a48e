"""The noise-aware method: what is one domain, decided along the boundaries of regions."""
