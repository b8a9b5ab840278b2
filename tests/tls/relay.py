"""Relays on loopback between a program and a real server: bytes as they are, or TLS ended on the way."""
import contextlib
import selectors
import socket
import ssl
import threading

CHUNK = 65536


def pump(ends):
    """Copies both ways until one end is over."""
    one, other = ends
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select():
                data = key.fileobj.recv(CHUNK)
                # What TLS has already taken from the socket does not make it readable again.
                while data and isinstance(key.fileobj, ssl.SSLSocket) and key.fileobj.pending():
                    data += key.fileobj.recv(CHUNK)
                if not data:
                    return
                key.data.sendall(data)


@contextlib.contextmanager
def relay(target, host="127.0.0.1", port=0, context=None, onward=None):
    """Yields the port on `host` (0: any) behind which `target` (host, port) is. With a context, clients speak TLS to the relay;
    with `onward`, the relay speaks TLS to the target."""
    listener = socket.create_server((host, port))

    def serve(client):
        with contextlib.suppress(OSError), client:
            inner = context.wrap_socket(client, server_side=True) if context else client
            with inner, socket.create_connection(target) as server:
                pump((inner, onward.wrap_socket(server) if onward else server))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def server_context(certificates, name, clients_of=None):
    """Shows the certificate `name`; asks for one of the authority `clients_of`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    if clients_of:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates / f"{clients_of}.pem")
    return context
