"""Where checkpoints are kept out of the database's power: a folder, or a bucket with object lock.

Names only ever appear: ``<epoch>/<size>.note``. A sealer writes, others only read.
"""

from governance.audit.sinks.interface import Sink, Taken
from governance.audit.sinks.urls import open_sinks

__all__ = ["Sink", "Taken", "open_sinks"]
