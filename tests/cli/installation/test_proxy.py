"""The shipped proxy, run for real in front of a stand-in for advis: a part of the sender, and held to it."""

import asyncio
import fcntl
import random
import shutil
import socket
import ssl
import subprocess
import termios
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.tree import DEPLOY

TEMPLATE = DEPLOY / "nginx" / "samtykkebro.conf.template"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
LEASE_S = 5.0
BODY = 4_000_000  # bytes: more than every buffer on the way together
REACH = 10_000  # bytes: what the buffers between the proxy and its reader may still give; 4,217 seen, 12,409 unreset

# As in the official image: what stands in its nginx.conf must not clash with what the template says.
OUTER = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log {folder}/access.log;
    sendfile on;
    keepalive_timeout 65;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/rendered.conf;
}}
"""

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


class Advis:
    """A stand-in behind the proxy: answers every request with `BODY` bytes and watches how far they came."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.unsent = 0
        self.cut_after_s = 0.0
        self.cut = asyncio.Event()
        self.hang_up = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        began = time.monotonic()
        try:
            if not self.hang_up:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY + bytes(BODY))
                await self._sent_or_cut(writer, reader)
        finally:
            self.cut_after_s = time.monotonic() - began
            self.cut.set()
            writer.transport.abort()

    async def _sent_or_cut(self, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        gone = asyncio.create_task(reader.read(1))
        until = time.monotonic() + 3 * LEASE_S
        while not gone.done() and time.monotonic() < until:
            waiting = fcntl.ioctl(writer.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
            self.unsent = writer.transport.get_write_buffer_size() + int.from_bytes(waiting, "little")
            await asyncio.wait({gone}, timeout=0.01)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, SHA256())
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "certificate.pem").write_bytes(made.public_bytes(Encoding.PEM))
    return tmp_path


@pytest.fixture
def host() -> str:
    """An address of the loopback network that nobody else listens on: the template's ports are fixed."""
    return str(IPv4Address("127.64.0.0") + random.randrange(1, 1 << 20))


def rendered(host: str, advis: str, folder: Path) -> str:
    values = {
        "LISTEN_HOST": host,
        "CONSENT_ADDRESS": advis,
        "ADVIS_ADDRESS": advis,
        "AUDIT_ADDRESS": advis,
        "TLS_CERTIFICATE": str(folder / "certificate.pem"),
        "TLS_KEY": str(folder / "key.pem"),
    }
    text = TEMPLATE.read_text()
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text
    return text


@pytest.fixture
def proxied(certificate: Path, host: str) -> Callable[[Advis], Awaitable[None]]:
    @asynccontextmanager
    async def run(advis: Advis) -> AsyncIterator[None]:
        server = await asyncio.start_server(advis.serve, "127.0.0.1", 0)
        address = "{}:{}".format(*server.sockets[0].getsockname())
        (certificate / "rendered.conf").write_text(rendered(host, address, certificate))
        (certificate / "nginx.conf").write_text(OUTER.format(folder=certificate))
        command = [str(NGINX), "-p", str(certificate), "-c", "nginx.conf", "-e", str(certificate / "error.log")]
        process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
        try:
            await listening(host, process)
            yield
        finally:
            if process.returncode is None:
                process.terminate()
            await process.communicate()
            server.close()

    return run


async def listening(host: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(10):
        while process.returncode is None:
            try:
                (await asyncio.open_connection(host, 8102))[1].close()
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                return
    raise AssertionError((await process.communicate())[1])


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@asynccontextmanager
async def asking(host: str, port: int, path: str) -> AsyncIterator[asyncio.StreamReader]:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, port))
    reader, writer = await asyncio.open_connection(sock=sock, ssl=trusting(), server_hostname="localhost", limit=1024)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    try:
        yield reader
    finally:
        writer.transport.abort()


async def test_a_reader_who_does_not_read_is_cut_off_within_the_lease_and_gets_next_to_nothing(proxied, host) -> None:
    advis = Advis()
    async with proxied(advis):
        stalled = await asyncio.to_thread(asked, host)
        async with asyncio.timeout(3 * LEASE_S):
            await advis.cut.wait()
        assert await asyncio.to_thread(left_for, stalled) < REACH
    assert advis.cut_after_s < LEASE_S
    assert advis.unsent > BODY // 2


def asked(host: str) -> ssl.SSLSocket:
    """A connection that has sent its request and reads nothing; asyncio's own would read ahead."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.connect((host, 8102))
    secured = trusting().wrap_socket(plain, server_hostname="localhost")
    secured.sendall(b"GET /v1/inbox HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return secured


def left_for(reader: ssl.SSLSocket) -> int:
    """How many bytes still reach a reader whose connection was cut."""
    received = 0
    with reader, suppress(ConnectionError, ssl.SSLError):
        while chunk := reader.recv(65536):
            received += len(chunk)
    return received


async def test_a_reader_who_reads_gets_everything(proxied, host) -> None:
    async with proxied(Advis()), asking(host, 8102, "/v1/inbox") as reader:
        head = await reader.readuntil(b"\r\n\r\n")
        received = 0
        while received < BODY:
            chunk = await reader.read(65536)
            assert chunk
            received += len(chunk)
    assert head.startswith(b"HTTP/1.1 200")
    assert b"strict-transport-security" in head.lower()
    assert received == BODY


async def test_a_reader_who_leaves_ends_the_request_behind_the_proxy(proxied, host) -> None:
    advis = Advis()
    async with proxied(advis):
        async with asking(host, 8102, "/v1/inbox") as reader:
            await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(LEASE_S):
            await advis.cut.wait()
    assert advis.unsent > 0


async def test_a_failed_request_is_not_sent_a_second_time(proxied, host) -> None:
    advis = Advis()
    advis.hang_up = True
    async with proxied(advis), asking(host, 8102, "/v1/inbox") as reader:
        assert (await reader.readline()).startswith(b"HTTP/1.1 502")
    assert advis.requests == [b"GET /v1/inbox HTTP/1.1"]


@pytest.mark.parametrize(
    "path", ["/v1/arrivals", "/v1/permits:acquire", "/v1/permits:settle", "/v1/holders", "/v1/holders/a/b/orders"]
)
async def test_what_advis_and_supervisors_ask_of_consent_does_not_exist_from_outside(proxied, host, path) -> None:
    advis = Advis()
    async with proxied(advis), asking(host, 8101, path) as reader:
        assert (await reader.readline()).startswith(b"HTTP/1.1 404")
    assert advis.requests == []


@pytest.mark.parametrize("path", ["/v1/citizens/x/consents", "/v1/catalogue", "/v1/holdersx"])
async def test_everything_else_of_consent_does(proxied, host, path) -> None:
    advis = Advis()
    async with proxied(advis), asking(host, 8101, path) as reader:
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    assert advis.requests == [f"GET {path} HTTP/1.1".encode()]
