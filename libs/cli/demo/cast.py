"""Bring everyone on: tokens by the same sign-in as a page would use, pseudonyms by the same call as a source system."""

import json
from pathlib import Path

import httpx2

from libs.cli.demo.actors import Caseworker, Citizen, Door, SourceSystem
from libs.cli.demo.receiver import Receiver
from libs.cli.demo.stage import Stage
from libs.cli.installation.secrets import prepare
from libs.cli.issuer.login import client_token, sign_in
from libs.cli.processes.state import write_private
from libs.cli.running.up import System

CITIZENS = ("morten", "hans", "guelcan", "mehmet", "peter")
STAFF = {
    "bif101": "BIF-JOBINDSATS",
    "bif102": "BIF-JOBINDSATS",
    "bif201": "BIF-KANTEN",
    "bif301": "BIF-YDELSE",
    "sof101": "SOF-BCV",
    "sof201": "SOF-BOLIGRAADGIVNING",
    "sof301": "SOF-RUSMIDDEL",
}
AT_CONSENT = ("bro101", "kk101", "kk102")  # a bridge-builder, and two who take what citizens say on the telephone
WEBHOOK_KEY_FILE = "webhook.key"
SOURCES = ("fasit", "domus", "dubu", "cpr")


def endpoints_file(receiver: Receiver, directory: Path) -> Path:
    """Write one webhook endpoint per unit that the story visits. Returns the file that advis reads."""
    write_private(prepare(directory / "secrets").service("advis") / WEBHOOK_KEY_FILE, receiver.secret.encode())
    units = sorted(set(STAFF.values()))
    endpoints = [{"unit": unit, "url": f"{receiver.url}/{unit}", "secret_file": WEBHOOK_KEY_FILE} for unit in units]
    path = directory / "endpoints.json"
    path.write_text(json.dumps(endpoints), encoding="utf-8")
    return path


async def bring_on(stage: Stage, system: System, http: httpx2.AsyncClient) -> None:
    """Sign everyone in and resolve every pseudonym; fills the stage."""

    async def person(username: str, service: str) -> Door:
        issuer, redirect = system.urls["issuer"], system.login_redirect
        token = await sign_in(issuer, system.login_client, redirect, username=username, resource=service)
        return Door(http, system.urls[service], token)

    async def client(name: str, service: str) -> Door:
        credentials = system.clients[name]
        token = await client_token(system.urls["issuer"], credentials.client_id, credentials.client_secret, service)
        return Door(http, system.urls[service], token)

    for name in SOURCES:
        stage.sources[name] = SourceSystem(name, await client(name, "consent"), await client(name, "advis"))
    stage.numbers, stage.number_of = [*system.cpr_numbers.values()], {**system.cpr_numbers}
    for name in CITIZENS:
        borger_id = await stage.sources["fasit"].resolve(system.cpr_numbers[name])
        stage.citizens[name] = Citizen(name, borger_id, await person(name, "consent"))
    stage.child = await stage.sources["dubu"].resolve(system.cpr_numbers["child"])
    for employee, unit in STAFF.items():
        stage.caseworkers[employee] = Caseworker(employee, unit, await person(employee, "advis"))
    for employee in AT_CONSENT:
        stage.staff[employee] = await person(employee, "consent")
    stage.dpo = await person("dpo1", "audit")
