#!/usr/bin/env python3
"""Bridge of Asterisk's manager interface: each event as one line of JSON, for `callpulse ship --format asterisk_ami`.

    AMI_SECRET=... python3 ami_bridge.py --host pbx --user callpulse /var/lib/callpulse/ami.jsonl

Ends when the manager closes the connection or says no; whoever runs it (systemd: Restart=always) starts it again. The file
may be renamed at any time: each event is written to the one that has the name. docs/operations.md says what manager.conf needs.
"""

import argparse
import json
import os
import socket
import sys


def messages(lines):
    """The messages of a connection, which end with a blank line. What a message says of a name twice is a list."""
    message = {}
    for line in lines:
        name, colon, value = line.rstrip("\r\n").partition(": ")
        if colon:
            message.setdefault(name, []).append(value)
        elif not name and message:
            yield {name: values[0] if len(values) == 1 else values for name, values in message.items()}
            message = {}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=5038)
    parser.add_argument("--user", required=True, help="a section of manager.conf; its secret is in AMI_SECRET")
    parser.add_argument("file", help="the file to append to")
    arguments = parser.parse_args()
    connection = socket.create_connection((arguments.host, arguments.port), timeout=30)
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    stream = connection.makefile("rw", encoding="utf-8", errors="replace", newline="\r\n")

    def act(**fields):
        stream.write("".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n")
        stream.flush()

    act(Action="Login", Username=arguments.user, Secret=os.environ.get("AMI_SECRET", ""))
    is_in = False
    for message in messages(stream):
        if "Event" in message:
            with open(arguments.file, "a", encoding="utf-8") as file:
                file.write(json.dumps(message, ensure_ascii=False) + "\n")
        elif not is_in:
            if message.get("Response") != "Success":
                sys.exit(f"the manager refuses the login: {message.get('Message', message)}")
            is_in = True
            # Static members are in no event; the answer names all there are.
            act(Action="QueueStatus")
    sys.exit("the manager closed the connection")


if __name__ == "__main__":
    main()
