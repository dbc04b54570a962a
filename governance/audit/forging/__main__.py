"""``python -m governance.audit.forging [FOLDER]``: write the vectors beside the verifier."""

import sys
from pathlib import Path

from governance.audit.forging import made_files
from governance.audit.standalone import verify

VECTORS = Path(verify.__file__).with_name("vectors")


def main() -> None:
    """Write every file."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else VECTORS
    folder.mkdir(exist_ok=True)
    for name, content in made_files().items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
