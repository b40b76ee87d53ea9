"""Recipes of the cookbook that need something around them: a proxy, a certificate, a framework, a CI system."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import httpx
import pytest
import sentry_sdk
import trustme
from django.conf import settings
from django.test import RequestFactory
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import export
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from ruamel.yaml import YAML

from kkiai_sdk.cli.main import main
from kkiai_sdk.mock import MockGateway
from tests.support.clock import START
from tests.support.documents import PAGES, ROOT, blocks, run
from tests.support.rawserver import RawServer
from tests.support.wire import task
from tests.tools import test_tracing

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Recipes that are run here and not as they stand.
HEADINGS = {
    "Proxy",
    "Custom CA",
    "Client certificate",
    "OpenTelemetry",
    "Sentry",
    "FastAPI",
    "Django",
    "AWS Lambda",
    "Docker",
    "GitLab CI",
    "GitHub Actions",
    "pytest",
    "With a database",
}
TASK = "grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"


@pytest.fixture
def authority() -> trustme.CA:
    """The authority that issued every certificate of a test; its own is in company-ca.pem."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path("company-ca.pem")
    return authority


def recipe(heading: str, language: str = "python") -> list[str]:
    """The blocks of a recipe in one language."""
    found = [block for path in PAGES.values() for block in blocks(path)]
    return [block.code for block in found if (block.heading, block.language) == (heading, language)]


def perform(heading: str, replaced: str = "", by: str = "") -> dict[str, Any]:
    """Run the Python block of a recipe, with one part of it replaced; its names."""
    (code,) = recipe(heading)
    assert replaced in code
    return run(code.replace(replaced, by), heading)


@pytest.mark.usefixtures("gateway")
def test_proxy_recipe_sends_the_request_to_the_proxy() -> None:
    """The proxy gets the request, and the name and the password of the recipe."""
    with RawServer([task("queued")], clock=lambda: START) as proxy:
        perform("Proxy", "proxy.example:3128", f"127.0.0.1:{proxy.port}")
    assert proxy.requests[0].header("proxy-authorization") == "Basic dXNlcjpwYXNzd29yZA=="
    assert proxy.targets[0].startswith("http://")


def test_custom_ca_recipe_trusts_its_server(gateway: MockGateway, authority: trustme.CA) -> None:
    """A server with a certificate of the company's authority is trusted."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with RawServer([task("queued")], clock=lambda: START, tls=tls) as server:
        perform("Custom CA", "https://gateway.example.com", server.url)
    assert len(server.requests) == 1


def test_client_certificate_recipe_shows_its_certificate(gateway: MockGateway, authority: trustme.CA) -> None:
    """A server that requires a certificate of the client answers."""
    own = authority.issue_cert("films.example")
    own.private_key_pem.write_to_path("client.key")
    own.cert_chain_pems[0].write_to_path("client.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    with RawServer([task("queued")], clock=lambda: START, tls=tls) as server:
        perform("Client certificate", "https://gateway.example.com", server.url)
    assert len(server.requests) == 1


@pytest.mark.usefixtures("gateway")
def test_opentelemetry_recipe_exports_the_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """The span of the caller and those of the requests are exported, without the key."""
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(export, "ConsoleSpanExporter", lambda: exporter)
    try:
        perform("OpenTelemetry")
    finally:
        HTTPXClientInstrumentor().uninstrument()
    *requests, outer = exporter.get_finished_spans()
    assert (outer.name, {span.name for span in requests}) == ("make a film", {"GET"})
    assert len(requests) >= 3
    assert "sk-mock" not in repr([span.to_json() for span in requests])


@pytest.mark.usefixtures("gateway")
def test_sentry_recipe_sends_spans_and_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentry gets a transaction with a span for each request, and the error; neither has the key."""
    envelopes = test_tracing.Envelopes()
    for each, send in test_tracing.traced_sends().items():
        monkeypatch.setattr(each, "send", send)
    with sentry_sdk.isolation_scope():
        test_tracing.start_sentry(envelopes)
        # The same without the integrations that patch the whole process, and with a transport that sends nothing.
        monkeypatch.setattr(sentry_sdk, "init", lambda **_: None)
        perform("Sentry")
        test_tracing.stop_sentry()
    (transaction,), (event,) = envelopes.payloads("transaction"), envelopes.payloads("event")
    assert len(transaction["spans"]) >= 3
    assert event["exception"]["values"][-1]["type"] == "TaskFailedError"
    assert "sk-mock" not in repr([each.serialize() for each in envelopes.sent])


@pytest.mark.usefixtures("gateway")
def test_fastapi_recipe_answers_with_the_task() -> None:
    """The application answers with the task, and with 404 for one that the gateway does not know."""
    app = perform("FastAPI")["app"]

    async def browse() -> tuple[str, int]:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://app.example") as browser,
        ):
            found = await browser.get(f"/videos/{TASK}")
            return found.json()["state"], (await browser.get("/videos/grok:scenario-never-found")).status_code

    assert asyncio.run(browse()) == ("pending", 404)


@pytest.mark.usefixtures("gateway")
def test_django_recipe_answers_with_the_task() -> None:
    """The view answers with the task, and with 502 when the gateway refuses."""
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["testserver"])
        django.setup()
    names, request = perform("Django"), RequestFactory().get("/")
    assert json.loads(names["video"](request, TASK).content)["state"] == "pending"
    assert names["video"](request, "grok:scenario-http-401").status_code == 502
    names["kkiai"]().close()


@pytest.mark.usefixtures("gateway")
def test_aws_lambda_recipe_waits_in_steps() -> None:
    """The handler says whether the task is done, and gives the URL of a video that is."""
    names = perform("AWS Lambda")
    assert names["handler"]({"task_id": TASK}, None)["video_url"].endswith(".mp4")
    assert names["handler"]({"task_id": "grok:scenario-fails"}, None)["state"] == "failed"
    assert names["handler"]({"task_id": "grok:scenario-stalls"}, None)["done"] is False
    names["client"].close()


@pytest.mark.usefixtures("gateway")
def test_docker_recipe_starts_the_command_line() -> None:
    """The image starts `kkiai`, and not as root."""
    (text,) = recipe("Docker", "dockerfile")
    steps = dict(line.split(" ", 1) for line in text.splitlines())
    assert main([*json.loads(steps["ENTRYPOINT"])[1:], *json.loads(steps["CMD"])]) == 0
    assert steps["USER"] == "user"


@pytest.mark.deep
@pytest.mark.usefixtures("gateway")
def test_gitlab_ci_recipe_makes_its_artifacts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of each job succeed and leave the files that the job keeps."""
    monkeypatch.setenv("TASK_ID", "grok:scenario-normal")
    for text in recipe("GitLab CI", "yaml"):
        for job in YAML(typ="safe").load(text).values():
            run_commands(job["script"])
            kept = job["artifacts"]
            assert all(Path(name).is_file() for name in kept.get("paths") or kept["reports"].values())


@pytest.mark.usefixtures("gateway")
def test_github_actions_recipe_saves_the_video() -> None:
    """The commands of the job succeed."""
    (text,) = recipe("GitHub Actions", "yaml")
    run_commands(step["run"] for step in YAML(typ="safe").load(text)["jobs"]["film"]["steps"])
    assert Path("film.mp4").is_file()


def run_commands(lines: Iterable[str]) -> None:
    """Run the command lines of `kkiai` among these."""
    own = [shlex.split(os.path.expandvars(line))[1:] for line in lines if line.startswith("kkiai ")]
    assert own
    assert [main(words) for words in own] == [0] * len(own)


def test_pytest_recipe_passes(tmp_path: Path) -> None:
    """The tests of the recipe pass by themselves."""
    (code,) = recipe("pytest")
    (tmp_path / "test_film.py").write_text(code, "utf-8")
    path = os.pathsep.join([str(ROOT), str(ROOT / "generated")])
    environment = os.environ | {"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1][:8]) == (0, "3 passed"), done.stdout


@pytest.mark.deep
def test_with_a_database_recipe_records_the_results(tmp_path: Path) -> None:
    """The program waits, records a file and a failure, and does nothing a second time; it is a process of its own,
    since a worker belongs to one.
    """
    (code,) = recipe("With a database")
    with MockGateway(speed=100) as gateway:
        own = {"KKIAI_API_KEY": gateway.api_key, "KKIAI_BASE_URL": gateway.base_url}
        path = os.pathsep.join([str(ROOT), str(ROOT / "generated")])
        command, environment = [sys.executable, "-c", code], os.environ | own | {"PYTHONPATH": path}
        first, again = (
            subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
            for _ in range(2)
        )
    assert first == again
    assert [line.split()[1] for line in sorted(first.splitlines())] == ["saved", "failed"]
    assert len(list((tmp_path / "videos").glob("*.mp4"))) == 1
