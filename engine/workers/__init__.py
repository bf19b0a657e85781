"""Several worker processes on one port: who starts them, what they tell each other, and what is said of them together."""
