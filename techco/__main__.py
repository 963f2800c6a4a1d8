"""`python -m techco` is `techco`."""

from techco.cli import main

if __name__ == "__main__":
    main()
