"""What ends a command early, said in one line to the person who called it."""


class Failure(Exception):
    """Printed after the name of the command; the exit status is 1. Nothing ever prints a traceback instead."""
