"""What the Kubernetes kinds in ``deploy/kubernetes/`` may hold: a strict part of its API.

A dict names every allowed field, with ``!`` for one that is required; a list is of items; a
type is a value's; ``MAP`` is of free names to text. What is not here is a mistake: kubectl
only warns about a field it does not know, and the cluster drops it.
"""

from collections.abc import Iterator
from typing import Any

MAP = object()
PORT = (int, str)
META = {"name!": str, "labels": MAP, "namespace": str, "annotations": MAP}
LABELS = {"matchLabels!": MAP}
KEY = {"name!": str, "key!": str, "optional": bool}
HTTP = {"path!": str, "port!": PORT, "httpHeaders": [{"name!": str, "value!": str}]}
PROBE = {
    "httpGet": HTTP,
    "exec": {"command!": [str]},
    "initialDelaySeconds": int,
    "periodSeconds": int,
    "timeoutSeconds": int,
    "failureThreshold": int,
}
ENV = {
    "name!": str,
    "value": str,
    "valueFrom": {"secretKeyRef": KEY, "configMapKeyRef": KEY, "fieldRef": {"fieldPath!": str}},
}
AMOUNTS = {"cpu": str, "memory": str, "storage": str}
CONTAINER = {
    "name!": str,
    "image!": str,
    "command": [str],
    "args!": [str],
    "ports": [{"name!": str, "containerPort!": int}],
    "env": [ENV],
    "envFrom": [{"configMapRef": {"name!": str}, "secretRef": {"name!": str}}],
    "volumeMounts!": [{"name!": str, "mountPath!": str, "readOnly": bool}],
    "resources!": {"requests!": AMOUNTS, "limits!": AMOUNTS},
    "securityContext!": {
        "allowPrivilegeEscalation!": bool,
        "readOnlyRootFilesystem!": bool,
        "capabilities!": {"drop!": [str]},
    },
    "startupProbe": PROBE,
    "livenessProbe": PROBE,
    "readinessProbe": PROBE,
}
POD = {
    "automountServiceAccountToken!": bool,
    "securityContext!": {
        "runAsNonRoot!": bool,
        "runAsUser!": int,
        "runAsGroup!": int,
        "fsGroup!": int,
        "seccompProfile!": {"type!": str},
    },
    "terminationGracePeriodSeconds": int,
    "restartPolicy": str,
    "topologySpreadConstraints": [
        {
            "maxSkew!": int,
            "topologyKey!": str,
            "whenUnsatisfiable!": str,
            "labelSelector!": LABELS,
        }
    ],
    "containers!": [CONTAINER],
    "volumes!": [
        {
            "name!": str,
            "emptyDir": {},
            "secret": {"secretName!": str, "defaultMode": int, "optional": bool},
        }
    ],
}
TEMPLATE = {"metadata!": {"labels!": MAP}, "spec!": POD}
TOP = {"apiVersion!": str, "kind!": str, "metadata!": META}
PEER = {"podSelector": LABELS, "namespaceSelector": LABELS}

KINDS: dict[tuple[str, str], dict[str, Any]] = {
    ("v1", "Namespace"): TOP,
    ("v1", "ConfigMap"): {**TOP, "data!": MAP},
    ("v1", "Service"): {
        **TOP,
        "spec!": {
            "selector!": MAP,
            "clusterIP": str,
            "publishNotReadyAddresses": bool,
            "ports!": [{"name!": str, "port!": int, "targetPort!": PORT}],
        },
    },
    ("apps/v1", "Deployment"): {
        **TOP,
        "spec!": {
            "replicas!": int,
            "revisionHistoryLimit": int,
            "strategy": {
                "type!": str,
                "rollingUpdate": {"maxUnavailable": PORT, "maxSurge": PORT},
            },
            "selector!": LABELS,
            "template!": TEMPLATE,
        },
    },
    ("apps/v1", "StatefulSet"): {
        **TOP,
        "spec!": {
            "replicas!": int,
            "serviceName!": str,
            "podManagementPolicy": str,
            "revisionHistoryLimit": int,
            "updateStrategy": {"type!": str},
            "minReadySeconds": int,
            "selector!": LABELS,
            "template!": TEMPLATE,
            "volumeClaimTemplates": [
                {
                    "metadata!": META,
                    "spec!": {"accessModes!": [str], "resources!": {"requests!": AMOUNTS}},
                }
            ],
        },
    },
    ("batch/v1", "Job"): {
        **TOP,
        "spec!": {"backoffLimit": int, "activeDeadlineSeconds": int, "template!": TEMPLATE},
    },
    ("policy/v1", "PodDisruptionBudget"): {
        **TOP,
        "spec!": {"maxUnavailable!": PORT, "selector!": LABELS},
    },
    ("networking.k8s.io/v1", "NetworkPolicy"): {
        **TOP,
        "spec!": {
            "podSelector!": {"matchLabels": MAP},
            "policyTypes!": [str],
            "ingress": [{"from!": [PEER], "ports!": [{"protocol!": str, "port!": PORT}]}],
        },
    },
}


def faults(value: Any, shape: Any, where: str = "") -> Iterator[str]:
    """Say what of a document is not as its kind has it."""
    if shape is MAP:
        if not isinstance(value, dict):
            yield f"{where} is no map"
        elif found := [k for k, v in value.items() if not (type(k) is type(v) is str)]:
            yield f"{where}: {found} is not text"
    elif isinstance(shape, dict):
        yield from _fields(value, shape, where)
    elif isinstance(shape, list):
        if not isinstance(value, list) or not value:
            yield f"{where} is no list"
            return
        for index, item in enumerate(value):
            yield from faults(item, shape[0], f"{where}[{index}]")
    elif type(value) not in (shape if isinstance(shape, tuple) else (shape,)):
        yield f"{where} is {value!r}"


def _fields(value: Any, shape: dict[str, Any], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is no object"
        return
    known = {name.rstrip("!"): inner for name, inner in shape.items()}
    required = {name[:-1] for name in shape if name.endswith("!")}
    for name in sorted(required - value.keys()):
        yield f"{where}.{name} is missing"
    for name, inner in value.items():
        if name in known:
            yield from faults(inner, known[name], f"{where}.{name}")
        else:
            yield f"{where}.{name} is no field"
