"""Where records go out."""
