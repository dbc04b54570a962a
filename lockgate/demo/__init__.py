"""The demo: one story of a model's life, told with real data on a whole system.

It is a client like any other. It imports nothing of the control plane or the agents: it
trains, registers and asks over REST, sends requests over V2, and starts ``lockgate up``
as a process.
"""
