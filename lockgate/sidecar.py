"""Envoy beside a caller: its configuration, made from what an environment's agents say.

Pure: a document in, a document out. The caller asks one address on its own host; Envoy
spreads calls over the agents whose golden transaction comes out right, and asks another
agent when one does not answer in time. Scoring changes nothing, so asking twice is safe.

Field names are those of Envoy's version 3 API (``envoy.config.bootstrap.v3.Bootstrap``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from lockgate.errors import NoSidecar

Document = dict[str, Any]

ADDRESS_HEADER: Final = "lockgate-agent-address"
"""On every answer: host and port of the agent that gave it."""
TYPES: Final = "type.googleapis.com/envoy.extensions"
AT_ONCE: Final = 1024
RETRIES: Final = 3
NOBODY: Final = "no agent is ready for this model"


@dataclass(frozen=True, slots=True)
class Agent:
    """Where one agent answers."""

    name: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Waits:
    """How long to wait, in milliseconds.

    ``attempt``: for one agent, before another is asked; at least the model's latency budget.
    ``total``: for the answer, whoever gives it. ``health``: between two golden transactions.
    """

    attempt: int = 250
    total: int = 2000
    health: int = 1000


def agents_of(environment: Mapping[str, Any]) -> list[Agent]:
    """Read the live agents out of an environment's state, as the API gives it.

    Silent agents stay in: Envoy finds out by itself, and they may be back the next second.
    Evicted ones do not.

    Raises:
        NoSidecar: none has told where it answers, or one told an address that Envoy cannot call.
    """
    live = [
        each
        for each in environment["agents"]
        if each["tier"] == "live" and not each["evicted"] and each["inference_url"]
    ]
    if not live:
        message = f"{environment['environment']} has no live agents that told where they answer."
        raise NoSidecar(message)
    return [_agent(each["agent"], each["inference_url"]) for each in live]


def models_of(environment: Mapping[str, Any]) -> list[str]:
    """Name the models that have a champion in an environment's state."""
    return [each["model"] for each in environment["models"] if each["champion"]]


def configuration(
    agents: Iterable[Agent],
    models: Iterable[str],
    *,
    port: int,
    waits: Waits | None = None,
    admin_port: int | None = None,
) -> Document:
    """Make Envoy's configuration: one listener on loopback, and one cluster a model.

    Agents are healthy per model, as its golden transaction says, so each model has a
    cluster of its own over the same agents.

    Raises:
        NoSidecar: there is no agent, or no model.
    """
    found, names, waits = list(agents), sorted(set(models)), waits or Waits()
    if not found or not names:
        message = "A sidecar needs an agent and a model at least."
        raise NoSidecar(message)
    document: Document = {
        "static_resources": {
            "listeners": [_listener(names, port=port, waits=waits)],
            "clusters": [_cluster(model, found, waits) for model in names],
        }
    }
    if admin_port is not None:
        document["admin"] = {"address": _socket("127.0.0.1", admin_port)}
    return document


def written(document: Document) -> str:
    """Write a configuration as YAML with every text quoted.

    Envoy reads YAML 1.1, to which a model that is called ``n`` or ``on`` is a truth value.
    """
    return yaml.dump(document, Dumper=_Quoting, sort_keys=False)


class _Quoting(yaml.SafeDumper):
    """Plain values only, and texts that nobody takes for anything else."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def _text(dumper: _Quoting, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"')


_Quoting.add_representer(str, _text)


def _agent(name: str, url: str) -> Agent:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        message = f"{name} tells no address to call over HTTP, but {url!r}."
        raise NoSidecar(message)
    return Agent(name, parts.hostname, parts.port or 80)


def _listener(models: list[str], *, port: int, waits: Waits) -> Document:
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "callers",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "models",
                    "domains": ["*"],
                    "routes": [_route(model, waits) for model in models],
                    "response_headers_to_add": [
                        {"header": {"key": ADDRESS_HEADER, "value": "%UPSTREAM_HOST%"}}
                    ],
                }
            ]
        },
        "http_filters": [
            _named("envoy.filters.http.router", "filters.http.router.v3.Router"),
        ],
        # What Envoy says itself is said as an agent says it: `{"error": ...}`.
        "local_reply_config": {
            "body_format": {"json_format": {"error": "%LOCAL_REPLY_BODY%"}},
            "mappers": [
                {
                    "filter": {"response_flag_filter": {"flags": ["UH"]}},
                    "body": {"inline_string": NOBODY},
                }
            ],
        },
    }
    return {
        "name": "callers",
        "address": _socket("127.0.0.1", port),
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ]
            }
        ],
    }


def _route(model: str, waits: Waits) -> Document:
    return {
        "match": {"path_separated_prefix": f"/v2/models/{model}"},
        "route": {
            "cluster": model,
            "timeout": _milliseconds(waits.total),
            "retry_policy": {
                "retry_on": "connect-failure,refused-stream,reset,gateway-error",
                "num_retries": RETRIES,
                "per_try_timeout": _milliseconds(waits.attempt),
                "retry_host_predicate": [
                    _named(
                        "envoy.retry_host_predicates.previous_hosts",
                        "retry.host.previous_hosts.v3.PreviousHostsPredicate",
                    )
                ],
                "host_selection_retry_max_attempts": 5,
                "retry_back_off": {
                    "base_interval": _milliseconds(5),
                    "max_interval": _milliseconds(50),
                },
            },
        },
    }


def _cluster(model: str, agents: list[Agent], waits: Waits) -> Document:
    return {
        "name": model,
        "type": "STRICT_DNS" if any(_is_name(agent.host) for agent in agents) else "STATIC",
        "lb_policy": "LEAST_REQUEST",
        "connect_timeout": _milliseconds(waits.attempt),
        "load_assignment": {
            "cluster_name": model,
            "endpoints": [{"lb_endpoints": [_endpoint(agent) for agent in agents]}],
        },
        "health_checks": [
            {
                "timeout": _milliseconds(waits.attempt),
                "interval": _milliseconds(waits.health),
                "no_traffic_interval": _milliseconds(waits.health),
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "http_health_check": {"path": f"/v2/models/{model}/ready"},
            }
        ],
        "outlier_detection": {
            "consecutive_gateway_failure": 3,
            "enforcing_consecutive_gateway_failure": 100,
            "interval": _milliseconds(waits.health),
            "base_ejection_time": _milliseconds(3 * waits.health),
            "max_ejection_percent": 50,
        },
        # Who is not ready gets no calls, however few are: an answer nobody proved is none.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        # The default allows three retries at a time, of all calls in flight.
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": AT_ONCE,
                    "max_pending_requests": AT_ONCE,
                    "max_requests": AT_ONCE,
                    "max_retries": AT_ONCE,
                }
            ]
        },
    }


def _endpoint(agent: Agent) -> Document:
    return {"endpoint": {"hostname": agent.name, "address": _socket(agent.host, agent.port)}}


def _named(name: str, kind: str) -> Document:
    return {"name": name, "typed_config": {"@type": f"{TYPES}.{kind}"}}


def _socket(host: str, port: int) -> Document:
    return {"socket_address": {"address": host, "port_value": port}}


def _milliseconds(value: int) -> str:
    """Say a time as protobuf's JSON does: in seconds."""
    return f"{value / 1000:g}s"


def _is_name(host: str) -> bool:
    """Tell a name, which Envoy has to look up, from a number."""
    return any(letter.isalpha() for letter in host) and ":" not in host
