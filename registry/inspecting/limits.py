"""What an inspection may use."""

import resource
from dataclasses import dataclass

_GIBIBYTE = 1024**3
_MEBIBYTE = 1024**2


@dataclass(frozen=True, slots=True)
class Limits:
    """Address space in bytes, processor time and wall time in seconds."""

    memory: int
    cpu: int
    wall: float

    @classmethod
    def for_files(cls, size: int) -> "Limits":
        """Allow what honest files of this many bytes need, with room to spare.

        Parsed numbers take up to eight times their packed bytes, and up to as much again while
        their lists grow; the file itself and a copy for ONNX's checker come on top.
        """
        cpu = 30 + size // (4 * _MEBIBYTE)
        memory = min(_GIBIBYTE + 20 * size, 16 * _GIBIBYTE)
        return cls(memory=memory, cpu=cpu, wall=2.0 * cpu)

    def impose(self) -> None:
        """Put these limits on this process, for good; it can write no file either."""
        for kind, value in (
            (resource.RLIMIT_AS, self.memory),
            (resource.RLIMIT_CPU, self.cpu),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_NOFILE, 64),
        ):
            resource.setrlimit(kind, (value, value))
