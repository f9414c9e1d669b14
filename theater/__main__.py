"""`python -m theater`."""

from theater.cli.main import main

if __name__ == "__main__":
    main()
