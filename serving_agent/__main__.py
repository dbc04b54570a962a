"""``python -m serving_agent``."""

from serving_agent.cli import main

if __name__ == "__main__":
    main()
