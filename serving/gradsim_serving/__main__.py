"""``python -m gradsim_serving`` is ``gradsim-serve``."""

from gradsim_serving.cli import main

if __name__ == "__main__":
    main()
