"""Goal: the service takes a new certificate on SIGHUP without a connection lost, goes on with the old one where the new one
is no good, and does not start where it cannot speak TLS as it was told to."""
import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import figures
import harness
import pytest
import secure


@pytest.fixture
def service_files(embedded, certificates):
    """A loaded store, and the files of certificate and key, which tests replace."""
    (embedded.folder / "a.jsonl").write_text("".join(harness.line(key, f"t{key}") for key in range(100)))
    embedded.job("a.jsonl")
    install(embedded.folder, certificates, "server")
    embedded.environment["DATAFLOW_HTTP_CERT_FILE"] = str(embedded.folder / "cert.pem")
    embedded.environment["DATAFLOW_HTTP_KEY_FILE"] = str(embedded.folder / "key.pem")
    return embedded


def install(folder, certificates, name):
    """As tools that renew certificates do it: each file at once, one after the other."""
    for end, target in (("pem", "cert.pem"), ("key", "key.pem")):
        shutil.copy(certificates / f"{name}.{end}", folder / "new")
        os.chmod(folder / "new", 0o600)
        os.rename(folder / "new", folder / target)


def shown(address, ca):
    """The certificate that the service shows now. (By their serial numbers, those of two authorities may be the same.)"""
    context = ssl.create_default_context(cafile=ca)
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), 30) as connection, context.wrap_socket(connection, server_hostname=host) as tls:
        return tls.getpeercert(binary_form=True)


def test_a_new_certificate_takes_over_and_no_request_is_lost(service_files, certificates, tmp_path_factory):
    # Another set of certificates, by the same authority's name but another key: both are believed meanwhile.
    newer = tmp_path_factory.mktemp("newer")
    secure.run_script(secure.ROOT / "scripts" / "certificates.sh", newer)
    both = newer / "both.pem"
    both.write_text((certificates / "ca.pem").read_text() + (newer / "ca.pem").read_text())
    with service_files.microservice() as service:
        assert service.scheme == "https"
        assert service.get("/product/1", certificates / "ca.pem")[0] == 200
        stop, counts, failures = threading.Event(), [0] * 6, []

        def hold_one(index):
            """One connection for the whole test."""
            connection = http.client.HTTPSConnection(service.address, timeout=30, context=ssl.create_default_context(cafile=both))
            ask_again(index, lambda: connection)

        def make_new(index):
            """A connection for each request."""
            ask_again(index, lambda: http.client.HTTPSConnection(service.address, timeout=30, context=ssl.create_default_context(cafile=both)))

        def ask_again(index, connect):
            try:
                while not stop.is_set():
                    connection = connect()
                    connection.request("GET", f"/product/{index}")
                    answer = connection.getresponse()
                    assert answer.status == 200 and answer.read()
                    counts[index] += 1
            except Exception as error:
                failures.append(error)

        clients = [threading.Thread(target=hold_one if k % 2 else make_new, args=(k,)) for k in range(len(counts))]
        for client in clients:
            client.start()
        reloads, last = 0, shown(service.address, both)
        for step in range(1, 11):
            before = sum(counts)
            harness.wait_for(lambda: sum(counts) > before + 20 or failures, "requests are answered")
            install(service_files.folder, newer if step % 2 else certificates, "server")
            service.process.send_signal(signal.SIGHUP)
            service.logged("TLS, read again: certificate of CN = dataflow tests server", times=step)
            seen = shown(service.address, both)
            reloads += seen != last
            last = seen
        stop.set()
        for client in clients:
            client.join()
    figures.tell(f"tls: reloads: {reloads}, requests answered meanwhile: {sum(counts)}, lost: {len(failures)}")
    assert not failures, failures
    assert reloads == 10, "each time the other certificate is shown at once"


def test_a_bad_file_leaves_the_old_certificate(service_files, certificates):
    with service_files.microservice() as service:
        before = shown(service.address, certificates / "ca.pem")
        (service_files.folder / "cert.pem").write_text("half a certificate")
        service.process.send_signal(signal.SIGHUP)
        service.logged("going on with the certificate there was")
        assert shown(service.address, certificates / "ca.pem") == before
        install(service_files.folder, certificates, "foreign")
        service.process.send_signal(signal.SIGHUP)
        service.logged("TLS, read again: certificate of CN = dataflow tests foreign")
        with pytest.raises(ssl.SSLCertVerificationError):
            shown(service.address, certificates / "ca.pem")
        assert service.get("/product/1", certificates / "other-ca.pem")[0] == 200


def test_an_expired_certificate_is_said_at_the_start(service_files, certificates):
    install(service_files.folder, certificates, "expired")
    with service_files.microservice() as service:
        service.logged("TLS: certificate of CN = dataflow tests expired, which clients refuse: it was valid until 2020-01-01T00:00:00Z")


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"DATAFLOW_HTTP_KEY_FILE": ""}, "http.cert_file and http.key_file belong together"),
        ({"DATAFLOW_HTTP_CERT_FILE": "/no/such"}, 'http.cert_file "/no/such": cannot be read'),
        ({"DATAFLOW_HTTP_KEY_FILE": "{certificates}/client.key"}, "is not the key of the certificate in http.cert_file"),
    ],
)
def test_what_cannot_be_used_is_a_configuration_error(service_files, certificates, settings, words):
    for key, value in settings.items():
        service_files.environment[key] = value.format(certificates=certificates)
    process = service_files.start("-listen", "127.0.0.1:0", program="microservice")
    out, err = process.communicate(timeout=60)
    service_files.secrets.check(out + err, "the output")
    assert process.returncode == 2 and words in err.decode()


def test_openssl_sees_no_old_protocol_and_no_weak_cipher(service_files, certificates):
    """A client that is not ours and offers everything, also what nobody should take."""
    with service_files.microservice() as service:
        def handshake(*arguments):
            done = subprocess.run(
                ["openssl", "s_client", "-connect", service.address, "-CAfile", certificates / "ca.pem", "-verify_return_error", *arguments],
                input=b"", capture_output=True, timeout=60,
            )
            return done.returncode == 0

        assert handshake("-tls1_3") and handshake("-tls1_2")
        # At security level 0 the client itself refuses nothing.
        assert not handshake("-tls1", "-cipher", "ALL:@SECLEVEL=0")
        assert not handshake("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        assert not handshake("-tls1_2", "-cipher", "eNULL:aNULL:MD5:SEED:IDEA:@SECLEVEL=0")
