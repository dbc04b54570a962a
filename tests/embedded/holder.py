"""Takes what the environment does not name, says what it got, and holds it.

``thread``: from a thread that ends before the servers do.
"""

import json
import os
import sys
import threading
import time

from governance import embedded

NAMES = (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "BROKER_URL",
    "MIRROR_URL",
    "STORE_URL",
    "SECRET_KEY_FILE",
    "SIGNING_KEY_FILE",
)


def main() -> None:
    began = time.monotonic()
    if "thread" in sys.argv:
        thread = threading.Thread(target=embedded.provide_missing)
        thread.start()
        thread.join()
    else:
        embedded.provide_missing()
    seconds = f"{time.monotonic() - began:.4f}"
    found = {name: os.environ[name] for name in NAMES if name in os.environ}
    sys.stdout.write(json.dumps({**found, "seconds": seconds}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
