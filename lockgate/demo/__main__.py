"""``python -m lockgate.demo play|check``."""

from lockgate.demo.commands import app

app()
