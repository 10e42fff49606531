"""Ask -> evaluate -> tell: the study over compression and engine flags, and what is on top."""
