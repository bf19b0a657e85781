"""The stages, in the order an event meets them."""
