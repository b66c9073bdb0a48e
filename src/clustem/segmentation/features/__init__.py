"""Features of patterns: what is compared of them, with its noise, in windows of the scan."""
