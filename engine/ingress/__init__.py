"""From bytes to events: decoding and HTTP."""
