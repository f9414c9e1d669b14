"""For those who write actors: a new project, its components from source, what the machine has."""
