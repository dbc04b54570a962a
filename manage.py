#!/usr/bin/env python
"""Django's command line. Servers whose URLs are not set are started for its duration."""

import os
import sys

from django.core.management import execute_from_command_line

from governance import embedded

if __name__ == "__main__":
    embedded.provide_missing()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    execute_from_command_line(sys.argv)
