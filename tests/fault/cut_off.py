"""Takes away the way to an address of loopback: what everybody sends to it, and it sends itself, is lost. A route outlives who
made it. So ours have a protocol of their own, and whoever has made some holds a name that ends with the process, and is, as
they are, the network namespace's. It takes CAP_NET_ADMIN and iproute2."""
import json
import shutil
import socket
import subprocess

import harness

PROTOCOL = "221"  # nobody's: see /etc/iproute2/rt_protos
NAME = "\0dataflow tests cut nodes off"
UNUSED = 77
owned = None


def route(verb, *what):
    """Only routes of ours are shown and deleted."""
    command = ["ip", "-json", "route", verb, *what, "table", "local", "protocol", PROTOCOL]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def own():
    """Whether all routes of ours are this process's from now on."""
    global owned
    if not owned:
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(NAME)
        except OSError:
            name.close()
            return False
        owned = name
    return True


def cut_off(node):
    """Whether it could be done."""
    harness.wait_for(own, "nobody else cuts nodes off")
    return route("add", "blackhole", f"127.0.0.{node}").returncode == 0


def give_back():
    """Every way that this process has taken away."""
    global owned
    if owned:
        for found in json.loads(route("show", "type", "blackhole").stdout or "[]"):
            route("del", "blackhole", found["dst"])
        owned.close()
        owned = None


def give_back_of_the_dead():
    """What runs that were killed have taken away."""
    if shutil.which("ip") and own():
        give_back()


def possible():
    if not shutil.which("ip"):
        return False
    done = cut_off(UNUSED)
    give_back()
    return done
