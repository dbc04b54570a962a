"""From a scikit-learn estimator to ONNX, with the proof that it answers the same.

Needs the extra ``convert``.
"""

from lockgate.convert.estimators import Converted, convert, to_onnx

__all__ = ["Converted", "convert", "to_onnx"]
