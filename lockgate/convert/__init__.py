"""From a scikit-learn estimator to ONNX, with the proof that it answers the same.

Needs the extra ``convert``. It runs where models are trained: whoever opens an
estimator's file runs what is in it, so neither the control plane nor an agent does.
"""

from lockgate.convert.estimators import Converted, convert, to_onnx
from lockgate.convert.foreign import describe_file

__all__ = ["Converted", "convert", "describe_file", "to_onnx"]
