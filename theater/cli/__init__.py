"""The command line: thin commands over the Python API. Results on stdout, messages on stderr."""
