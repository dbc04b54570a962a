"""What a pipeline or a person installs to work with Lockgate: client, command line, conversion.

Nothing here needs the server's code, and most of it needs nothing but an HTTP client.
"""
