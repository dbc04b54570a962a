"""Look into a version's files without running anything.

``python -m registry.inspecting`` is a program of its own, because it reads what
strangers made: it gets limits on memory and time, no secrets, and may die. It
parses ONNX as data, opens no pickle, and loads no framework and no runtime.
``registry.adapters.inspector`` starts it.
"""
