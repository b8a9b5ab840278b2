"""Asks the network what a shell cannot ask. Used by servers.sh; needs nothing but Python's own library.

probe.py port BASE OWNER HOST...  prints the first port from BASE that can be bound on every HOST, and keeps it from others who
                                ask so as long as the process OWNER runs: until its server listens
probe.py free PORT HOST...      succeeds when PORT can be bound on every HOST
probe.py redis HOST PORT        succeeds when a Redis answers PING
probe.py cql HOST PORT PEERS    succeeds when a Cassandra answers a query and knows PEERS other nodes, or asks who we are
probe.py --tls CA CERT KEY USER PASS ...   the same over TLS, after a login
"""
import fcntl
import json
import os
import pathlib
import socket
import ssl
import struct
import sys
import tempfile

TIMEOUT_S = 5
PORTS_TRIED = 200
PEERS_UNKNOWN = 1 << 31


class Access:
    """How to get in: as everybody, or with certificates and a login."""

    def __init__(self, ca=None, cert=None, key=None, user="", password=""):
        self.context = None
        self.user, self.password = user, password
        if ca:
            # Whether a server is up, not whether it is to be believed: tests give it certificates that nobody should.
            self.context = ssl.create_default_context(cafile=ca)
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE
            self.context.load_cert_chain(cert, key)

    def connect(self, host, port):
        connection = socket.create_connection((host, port), TIMEOUT_S)
        return self.context.wrap_socket(connection, server_hostname=host) if self.context else connection


def can_bind(host, port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            return True
        except OSError:
            return False


def born(pid):
    """When a process was started; None where there is none. A number used again is another process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


def reserved_port(base, owner, hosts):
    """Two who choose at the same time find the same ports free: what one has chosen stands in a file until it has ended."""
    path = pathlib.Path(tempfile.gettempdir()) / f"dataflow-ports-{os.getuid()}.json"
    with open(path, "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        try:
            known = json.loads(file.read() or "{}")
        except ValueError:  # whoever wrote it was killed
            known = {}
        taken = {port: by for port, by in known.items() if born(by[0]) == by[1]}
        port = free_port(base, hosts, taken)
        taken[str(port)] = [owner, born(owner)]
        file.truncate(0)
        file.write(json.dumps(taken))
    return port


def free_port(base, hosts, taken):
    for port in range(base, base + PORTS_TRIED):
        if str(port) not in taken and all(can_bind(host, port) for host in hosts):
            return port
    raise OSError(f"no free port from {base} to {base + PORTS_TRIED - 1} on {' '.join(hosts)}")


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise OSError("connection closed")
        data += part
    return data


def cql_call(connection, opcode, body):
    """One request and its reply, native protocol version 4."""
    connection.sendall(struct.pack(">BBhBi", 4, 0, 0, opcode, len(body)) + body)
    _, _, _, reply, size = struct.unpack(">BBhBi", read_exactly(connection, 9))
    return reply, read_exactly(connection, size)


def cql_peers(host, port, access):
    """How many rows system.peers has: the other nodes this one knows. A server that wants a login does not say."""
    startup, ready, authenticate, query, result, login, logged_in = 1, 2, 3, 7, 8, 15, 16
    with access.connect(host, port) as connection:
        option = b"".join(struct.pack(">H", len(s)) + s for s in (b"CQL_VERSION", b"3.0.0"))
        reply, _ = cql_call(connection, startup, struct.pack(">H", 1) + option)
        if reply == authenticate:
            if not access.user:
                return PEERS_UNKNOWN
            token = f"\0{access.user}\0{access.password}".encode()
            reply, _ = cql_call(connection, login, struct.pack(">i", len(token)) + token)
            if reply == logged_in:
                reply = ready
        if reply != ready:
            raise OSError(f"STARTUP answered with opcode {reply}")
        text = b"SELECT count(*) FROM system.peers"
        consistency_one, skip_metadata = 1, 2
        reply, body = cql_call(
            connection, query,
            struct.pack(">i", len(text)) + text + struct.pack(">HB", consistency_one, skip_metadata))
        if reply != result:
            raise OSError(f"the query answered with opcode {reply}")
        # The row's only value, a bigint, ends the body.
        return struct.unpack(">q", body[-8:])[0]


def redis_answers(host, port, access):
    with access.connect(host, port) as connection:
        if access.user:
            connection.sendall(f"AUTH {access.user} {access.password}\r\n".encode())
            if read_exactly(connection, 5) != b"+OK\r\n":
                return False
        connection.sendall(b"PING\r\n")
        return read_exactly(connection, 7) == b"+PONG\r\n"


def main(command, *arguments):
    access = Access()
    if command == "--tls":
        access = Access(*arguments[:5])
        command, *arguments = arguments[5:]
    if command == "port":
        print(reserved_port(int(arguments[0]), int(arguments[1]), arguments[2:]))
        return True
    if command == "free":
        return all(can_bind(host, int(arguments[0])) for host in arguments[1:])
    if command == "redis":
        return redis_answers(arguments[0], int(arguments[1]), access)
    if command == "cql":
        return cql_peers(arguments[0], int(arguments[1]), access) >= int(arguments[2])
    raise ValueError(f"unknown command {command}")


if __name__ == "__main__":
    try:
        sys.exit(0 if main(*sys.argv[1:]) else 1)
    except (OSError, struct.error) as error:
        if sys.argv[1] == "port":
            print(error, file=sys.stderr)
        sys.exit(1)
