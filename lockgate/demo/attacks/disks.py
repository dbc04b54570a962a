"""On what lies outside the database: the sink, the artifact store, an agent's disk."""

from lockgate.demo.attacks.attack import Attack, By, Power

OLDEST = 'NOTE=$(find "$SINK" -name "*.note" | sort | head -n 1)'
LARGEST = 'FILE=$(find "$STORE/sha256" -type f -size +1k | xargs ls -S | head -n 1)'
MANIFEST = 'FILE=$(grep -l \'"schema":"lockgate.manifest\' -r "$STORE/sha256" | sort | head -n 1)'
CACHED = 'FILE=$(ls -S "$AGENT"/blobs/* | head -n 1)'
FLIP = 'chmod u+w "$FILE" && printf X | dd of="$FILE" bs=1 seek=100 conv=notrunc status=none'

DISKS = (
    Attack(
        "edit-sink",
        "Edit a checkpoint in the sink",
        f'{OLDEST}; chmod u+w "$NOTE" && sed -i "s/^time 20/time 19/" "$NOTE"\n',
        r"the checkpoint of \d+ entries was changed",
        Power.SINK,
    ),
    Attack(
        "delete-in-sink",
        "Delete a checkpoint in the sink",
        f'{OLDEST}; rm -f "$NOTE"\n',
        r"the checkpoint of \d+ entries is gone",
        Power.SINK,
    ),
    Attack(
        "swap-artifact",
        "Change a byte of a model in the store",
        f"{LARGEST}; {FLIP}\n",
        r"of [\w-]+ version \d+: the bytes under \w+ are others",
        Power.STORE,
    ),
    Attack(
        "delete-artifact",
        "Delete a model from the store",
        f'{LARGEST}; rm -f "$FILE"\n',
        r"of [\w-]+ version \d+: \w+ is gone from the store",
        Power.STORE,
    ),
    Attack(
        "swap-manifest",
        "Change a manifest in the store",
        f"{MANIFEST}; {FLIP}\n",
        r"the manifest of [\w-]+ version \d+: the bytes under \w+ are others",
        Power.STORE,
    ),
    Attack(
        "change-cache",
        "Change a model on an agent's disk",
        f"{CACHED}; {FLIP}\n",
        r"[\w-]+: blobs/\w+ was changed on its disk",
        Power.AGENT,
        By.AGENT,
    ),
    Attack(
        "change-last-good",
        "Change what an agent would do after a restart",
        'printf "{}" > "$AGENT/state/envelope.json"\n',
        r"[\w-]+: state/envelope.json was changed on its disk",
        Power.AGENT,
        By.AGENT,
    ),
)
