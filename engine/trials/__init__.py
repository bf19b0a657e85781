"""Rules on trial: the tests beside the rules, run through the very engine that serves, in a world that they control."""
