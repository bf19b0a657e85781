"""Running the service: status and reload."""
