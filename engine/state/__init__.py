"""The delivery protocol and its stores."""
