"""A recorded run as one file, RUN.theater: written here, and read again as hostile input.

It is a zip of what a data directory has: the log, the components by their hashes, the manifest, and
the tree heads if there are any. Nothing compiled and nothing secret of Theater's own is in it; what
actors were told and said is.
"""
