"""``python -m lockgate.demo play|check|cheat``."""

from lockgate.demo.commands import app

app()
