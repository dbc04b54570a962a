"""The manifests of ``deploy/kubernetes/``, held against what is there: no cluster is asked."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands
from django.urls import Resolver404, resolve

from governance.addresses import networks
from governance.config import Config
from governance.sealing.settings import SealerConfig
from serving_agent.settings import Settings
from serving_agent.v2.app import OPEN_TO_ALL
from tests.embedded.holding import ROOT
from tests.embedded.kinds import KINDS, faults

FOLDER = ROOT / "deploy" / "kubernetes"
WORKLOADS = {"Deployment", "StatefulSet", "Job"}
SETTINGS = {field.upper() for field in Config.model_fields}
AGENT = {f"LOCKGATE_AGENT_{field.upper()}" for field in Settings.model_fields}
SEALER = {f"SEALER_{field.upper()}" for field in SealerConfig.model_fields} | {"CHECKPOINT_SINKS"}
IN_SECRETS = {
    "lockgate-servers": {
        *("DATABASE_URL", "BROKER_URL", "MIRROR_URL"),
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    },
    "lockgate-database-owner": {"url"},
    "lockgate-keys": {"secret_key", "signing_key", "checkpoint_keys"},
    "lockgate-sealer": {"SEALER_DATABASE_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
    "lockgate-sealer-key": {"sealer_key"},
    "lockgate-metrics": {"token"},
    "lockgate-agent": {"inference_token", "mirror_url"},
    "lockgate-agent-join": {"token", "key"},
}
"""What docs/install.md says to put in each secret."""


def load() -> dict[tuple[str, str], dict[str, Any]]:
    found = {}
    for file in sorted(FOLDER.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            key = document["kind"], document.get("metadata", {}).get("name", "")
            assert key not in found, key
            found[key] = document
    return found


DOCUMENTS = load()
KUSTOMIZATION = DOCUMENTS.pop(("Kustomization", ""))
PODS = {
    name: document["spec"]["template"]
    for (kind, name), document in DOCUMENTS.items()
    if kind in WORKLOADS
}


def containers(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = PODS[name]["spec"]["containers"]
    return found


def config_map(name: str) -> dict[str, str]:
    data: dict[str, str] = DOCUMENTS["ConfigMap", name]["data"]
    return data


def chosen(selector: dict[str, str]) -> list[str]:
    """The workloads whose pods a selector finds."""
    return [n for n, pod in PODS.items() if selector.items() <= pod["metadata"]["labels"].items()]


@pytest.mark.parametrize("key", DOCUMENTS, ids="/".join)
def test_it_is_as_its_kind_has_it(key: tuple[str, str]) -> None:
    document = DOCUMENTS[key]
    shape = KINDS[document["apiVersion"], document["kind"]]
    assert list(faults(document, shape)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"replica": 2},
        {"replicas": "2"},
        {"selector": None},
        {"template": {"metadata": {"labels": {"a": 1}}, "spec": {}}},
    ],
)
def test_a_mistake_is_found(change: dict[str, Any]) -> None:
    document = DOCUMENTS["Deployment", "web"]
    wrong = {**document, "spec": {**document["spec"], **change}}
    assert list(faults(wrong, KINDS["apps/v1", "Deployment"]))


def test_every_file_is_applied() -> None:
    files = {file.name for file in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(KUSTOMIZATION["resources"]) == files
    assert KUSTOMIZATION["namespace"] == DOCUMENTS["Namespace", "lockgate"]["metadata"]["name"]
    assert {"web", "worker", "beat", "sealer", "migrate", "agent"} == set(PODS)


def test_selectors_find_what_they_are_for() -> None:
    for (kind, name), document in DOCUMENTS.items():
        spec = document.get("spec", {})
        if kind in {"Deployment", "StatefulSet"}:
            assert chosen(spec["selector"]["matchLabels"]) == [name]
        elif kind == "Service":
            (workload,) = chosen(spec["selector"])
            names = {port["name"] for one in containers(workload) for port in one["ports"]}
            assert {port["targetPort"] for port in spec["ports"]} <= names
        elif kind == "PodDisruptionBudget":
            assert chosen(spec["selector"]["matchLabels"]) == [name]
            assert DOCUMENTS.get(("Job", name)) is None
        elif kind == "NetworkPolicy":
            _check_policy(spec)
    service = DOCUMENTS["StatefulSet", "agent"]["spec"]["serviceName"]
    assert DOCUMENTS["Service", service]["spec"]["clusterIP"] == "None"


def _check_policy(spec: dict[str, Any]) -> None:
    here = chosen(spec["podSelector"].get("matchLabels", {}))
    assert here
    names = {p["name"] for name in here for one in containers(name) for p in one.get("ports", [])}
    for rule in spec.get("ingress", []):
        assert {port["port"] for port in rule["ports"]} <= names
        for peer in rule["from"]:
            assert "podSelector" not in peer or chosen(peer["podSelector"]["matchLabels"])


@pytest.mark.parametrize("name", PODS)
def test_every_variable_is_a_setting(name: str) -> None:
    for one in containers(name):
        given = {each["name"] for each in one.get("env", [])}
        for source in one["envFrom"]:
            if "configMapRef" in source:
                given |= config_map(source["configMapRef"]["name"]).keys()
            else:
                given |= IN_SECRETS[source["secretRef"]["name"]]
        aws = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
        own = {"agent": AGENT, "sealer": SEALER | aws}
        assert given <= own.get(name, SETTINGS | aws)
        if name not in own:
            missing = {
                field.upper()
                for field, about in Config.model_fields.items()
                if about.is_required() and field.upper() not in given
            }
            assert missing == set()


@pytest.mark.parametrize("name", PODS)
def test_every_command_names_what_exists(name: str) -> None:
    programs = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    for one in containers(name):
        probes = [probe for key, probe in one.items() if key.endswith("Probe")]
        commands = [probe["exec"]["command"] for probe in probes if "exec" in probe]
        for words in [one["args"], *commands]:
            assert shutil.which(words[0], path=programs)
            if "manage.py" in words:
                assert words[words.index("manage.py") + 1] in get_commands()
            if words[0] == "sh":
                assert shutil.which(words[2].split()[0], path=programs)
        if "serving_agent" in one["args"]:
            assert one["args"][1:] == ["-m", "serving_agent", "run"]


@pytest.mark.parametrize("name", [name for name in PODS if name != "migrate"])
def test_what_stays_is_asked_whether_it_is_well(name: str) -> None:
    for one in containers(name):
        assert "livenessProbe" in one
        ports = {port["name"] for port in one.get("ports", [])}
        for probe in (one[key] for key in one if key.endswith("Probe")):
            if "httpGet" not in probe:
                continue
            asked = probe["httpGet"]
            assert asked["port"] in ports
            if name == "agent":
                assert asked["path"] in OPEN_TO_ALL
                continue
            try:
                resolve(asked["path"])
            except Resolver404:
                pytest.fail(f"{asked['path']} leads nowhere")
            (host,) = [h["value"] for h in asked["httpHeaders"] if h["name"] == "Host"]
            assert host in config_map("lockgate-server")["ALLOWED_HOSTS"].split(",")
        if ports:
            assert "readinessProbe" in one


@pytest.mark.parametrize("name", PODS)
def test_nothing_is_privileged_and_only_volumes_are_written(name: str) -> None:
    pod = PODS[name]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    claims = (
        DOCUMENTS.get(("StatefulSet", name), {}).get("spec", {}).get("volumeClaimTemplates", [])
    )
    volumes = {v["name"] for v in pod["volumes"]} | {c["metadata"]["name"] for c in claims}
    for one in pod["containers"]:
        context = one["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {mount["name"] for mount in one["volumeMounts"]} == volumes


def test_an_agents_last_good_state_outlives_its_pod() -> None:
    spec = DOCUMENTS["StatefulSet", "agent"]["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    (mount,) = [
        mount
        for mount in containers("agent")[0]["volumeMounts"]
        if mount["name"] == claim["metadata"]["name"]
    ]
    assert mount["mountPath"] == config_map("lockgate-agent")["LOCKGATE_AGENT_HOME"]
    drain = Settings.model_fields["drain_seconds"].default
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > drain + 10
    joins = [e for e in containers("agent")[0]["env"] if "JOIN" in e["name"] or "KEY" in e["name"]]
    assert all(each["valueFrom"]["secretKeyRef"]["optional"] for each in joins)


def test_only_the_migration_holds_the_owners_url_and_agents_nothing_of_ours() -> None:
    holders = [name for name in PODS if "lockgate-database-owner" in str(PODS[name])]
    assert holders == ["migrate"]
    for secret in ("lockgate-servers", "lockgate-keys", "lockgate-metrics"):
        assert secret not in str(PODS["agent"])


def test_the_sealer_has_a_key_a_role_and_a_user_of_its_own() -> None:
    for secret in ("lockgate-sealer", "lockgate-sealer-key"):
        assert [name for name in PODS if f"'{secret}'" in str(PODS[name])] == ["sealer"]
    for secret in ("lockgate-servers", "lockgate-keys"):
        assert secret not in str(PODS["sealer"])
    users = {name: pod["spec"]["securityContext"]["runAsUser"] for name, pod in PODS.items()}
    assert [name for name, user in users.items() if user == users["sealer"]] == ["sealer"]
    sealer = DOCUMENTS["Deployment", "sealer"]["spec"]
    assert (sealer["replicas"], sealer["strategy"]["type"]) == (1, "Recreate")


def test_there_is_one_clock() -> None:
    beat = DOCUMENTS["Deployment", "beat"]["spec"]
    assert (beat["replicas"], beat["strategy"]["type"]) == (1, "Recreate")


def test_no_secret_is_committed_and_the_docs_name_each() -> None:
    assert not [key for key in DOCUMENTS if key[0] == "Secret"]
    words = "\n".join(file.read_text() for file in FOLDER.glob("*.yaml"))
    assert not re.search(r"(?i)://[^/\s]*:[^/\s]*@", words)
    named = set(
        re.findall(r"(?:secretName|secretRef: \{name|secretKeyRef: \{name): ([\w-]+)", words)
    )
    assert named == set(IN_SECRETS)
    text = (ROOT / "docs/install.md").read_text()
    for secret, keys in IN_SECRETS.items():
        (line,) = re.findall(
            rf"^kubectl .*create secret generic {secret} (.*)$", text, re.MULTILINE
        )
        assert set(re.findall(r"--from-(?:literal|file)=(\w+)=", line)) == keys


def test_values_are_of_the_right_kind() -> None:
    values = config_map("lockgate-server")
    for name in ("TRUSTED_PROXIES", "AGENT_NETWORKS", "METRICS_NETWORKS"):
        networks(values[name])
    mounts = {mount["mountPath"] for mount in containers("web")[0]["volumeMounts"]}
    for name in ("SECRET_KEY_FILE", "SIGNING_KEY_FILE", "CHECKPOINT_KEYS_FILE", "LOCKGATE_HOME"):
        path = Path(values[name])
        assert {str(path), str(path.parent)} & mounts
