#!/bin/sh
# Gives an agent what it enrols with, then becomes the agent. An agent that has enrolled
# needs neither: it starts with the control plane, and this file, gone.
set -eu
fleet="${LOCKGATE_JOIN_FILE:-/join/fleet.json}"
if [ ! -e "$LOCKGATE_AGENT_HOME/state/identity.json" ]; then
    read_fleet='import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])'
    LOCKGATE_AGENT_KEY=$(python -c "$read_fleet" "$fleet" key)
    LOCKGATE_AGENT_JOIN_TOKEN=$(python -c "$read_fleet" "$fleet" "$LOCKGATE_AGENT_NAME")
    export LOCKGATE_AGENT_KEY LOCKGATE_AGENT_JOIN_TOKEN
fi
exec python -m serving_agent run
