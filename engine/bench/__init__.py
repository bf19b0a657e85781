"""What the service takes on this machine: load from another process, and what it costs."""
