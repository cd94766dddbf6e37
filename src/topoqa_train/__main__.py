"""`python -m topoqa_train`."""

from topoqa_train.cli import main

if __name__ == "__main__":
    main()
