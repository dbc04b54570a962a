"""What the audit log costs: to verify offline, to record, and to seal.

- 1,000,000 entries as a bundle, verified by the verifier alone; the baseline is to unpack, hash
  and parse each line once, which any verifier in Python has to do.
- The call that opens a promotion, with and without ``record()`` and its guards, in turns.
- Writers that append without pause while the sealer seals without pause; the baseline is
  the same without a sealer. How long one waits for the sealer is asked of PostgreSQL.
- The lineage report of one version among 10,000, over the API, in a log of as many entries;
  the baseline is to read and parse the model's entries once.

    python -m benchmarks.audit --home FOLDER [--entries 1000000] [--calls 200] [--seconds 20]

It prints a table, and then one line of JSON. It fails for wrong answers, not for slowness.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.audit_recording import recording
from benchmarks.audit_report import BOUND_S, MODELS, VERSIONS, reporting
from benchmarks.audit_sealing import WRITERS, sealing

SECONDS_BOUND, MB_BOUND, RATIO_BOUND, BLOCK_BOUND_MS = 30.0, 500.0, 1.10, 50.0
BASELINE = """
import hashlib, json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    for name in ("entries.ndjson", "payloads.txt"):
        with archive.open(name) as stream:
            for line in stream:
                hashlib.sha256(line).digest()
                if name == "entries.ndjson":
                    json.loads(line)
"""


def main() -> None:
    """Measure the four one after another."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    asked = parser.parse_args()
    home = asked.home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    os.environ["LOCKGATE_HOME"] = str(home)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    from governance import embedded

    embedded.provide_missing()
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    verified = _verifying(home, asked.entries)
    recorded = recording(asked.calls)
    sealed = sealing(asked.seconds)
    reported = reporting(asked.entries)
    _tell(asked, verified | recorded | sealed | reported)


# -- Verifying ---------------------------------------------------------------------------


def _verifying(home: Path, entries: int) -> dict[str, float]:
    """Make a bundle, and verify it as an auditor does."""
    from benchmarks import bundle
    from governance.audit import forging
    from governance.audit.standalone import verify

    path, keys = home / f"bundle-{entries}.zip", home / "keys.txt"
    keys.write_text(forging.keys_text())
    begun = time.perf_counter()
    bundle.write(path, entries)
    print(f"made {path} in {time.perf_counter() - begun:.0f} s, {path.stat().st_size >> 20} MiB")
    alone = [sys.executable, "-I", "-S"]
    command = [*alone, verify.__file__, "--keys", str(keys), str(path)]
    seconds, cpu, megabytes, said = _measured(command)
    if f"PROVEN: {entries} of {entries} entries" not in said:
        sys.exit(f"the bundle is not proven: {said}")
    floor, floor_cpu, _, _ = _measured([*alone, "-c", BASELINE, str(path)])
    cut = home / "cut.zip"
    bundle.write(cut, 2_000, cut=True)
    *_, said = _measured([*alone, verify.__file__, "--keys", str(keys), str(cut)])
    if "entry 2000 is missing" not in said:
        sys.exit(f"a log that was cut is proven: {said}")
    return {
        "verify_s": seconds,
        "verify_cpu_s": cpu,
        "verify_mb": megabytes,
        "baseline_read_s": floor,
        "baseline_read_cpu_s": floor_cpu,
    }


def _measured(command: list[str]) -> tuple[float, float, float, str]:
    """Run a command; return seconds, those of the processor, megabytes at most, and its words."""
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read() if process.stdout else ""
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    cpu = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - begun, cpu, usage.ru_maxrss / 1024, said


# -- Telling -----------------------------------------------------------------------------


def _tell(asked: argparse.Namespace, f: dict[str, float]) -> None:
    lines = [
        (f"verify {asked.entries:,} entries, s", f["verify_s"], SECONDS_BOUND),
        ("  baseline: unpack, hash and parse each line, s", f["baseline_read_s"], None),
        ("  of these with the processor: the verifier", f["verify_cpu_s"], None),
        ("  of these with the processor: the baseline", f["baseline_read_cpu_s"], None),
        ("  memory at most, MB", f["verify_mb"], MB_BOUND),
        (f"open a promotion, p50 of {asked.calls}, ms", f["call_p50_ms"], None),
        ("  baseline: without record(), ms", f["baseline_call_without_record_p50_ms"], None),
        ("  ratio", f["record_ratio"], RATIO_BOUND),
        ("a writer waited for the sealer at most, ms", f["sealing_block_ms"], BLOCK_BOUND_MS),
        (f"  append of {WRITERS} writers beside the sealer, p99, ms", f["writer_p99_ms"], None),
        ("  longest, ms", f["writer_max_ms"], None),
        ("  baseline: without a sealer, p99, ms", f["baseline_unsealed_writer_p99_ms"], None),
        ("  longest, ms", f["baseline_unsealed_writer_max_ms"], None),
    ]
    versions = MODELS * VERSIONS
    lines += [
        (f"report of one version of {versions:,}, slowest, s", f["report_s"], BOUND_S),
        ("  p50, s", f["report_p50_s"], None),
        ("  its size, MB", f["report_mb"], None),
        (f"  baseline: read {f['report_chain']:,.0f} entries, s", f["baseline_read_chain_s"], None),
    ]
    for title, value, bound in lines:
        print(f"{title:58}{value:>10.2f}" + (f"   at most {bound:g}" if bound else ""))
    print(f"{f['writes']:,.0f} writes beside {f['rounds']:,.0f} rounds of sealing")
    bounds = {
        "verify_s": SECONDS_BOUND,
        "verify_mb": MB_BOUND,
        "record_ratio": RATIO_BOUND,
        "sealing_block_ms": BLOCK_BOUND_MS,
        "report_s": BOUND_S,
    }
    figures = {
        name: {
            "value": round(value, 3),
            "bound": bounds.get(name),
            "better": "lower",
            "met": value <= bounds[name] if name in bounds else None,
        }
        for name, value in f.items()
    }
    print(json.dumps({"bench": "audit", "n": asked.entries, "figures": figures}))


if __name__ == "__main__":
    main()
