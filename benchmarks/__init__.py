"""The harness: figures of Theater beside their floors, measured in one run."""
