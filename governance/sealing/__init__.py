"""The sealer: signs what the audit log is, and keeps it where the database cannot reach.

A process of its own, under its own user where there is one, with its own key and its own
role in the database, which may only read the log and add a checkpoint. It shares no
setting with web and worker but the names of the sinks, and needs none of theirs.
"""
