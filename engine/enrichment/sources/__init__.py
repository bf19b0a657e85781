"""Places to look context up in."""
