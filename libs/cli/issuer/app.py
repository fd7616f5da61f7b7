"""The issuer's doors: discovery, keys, the sign-in page, and the token endpoint."""

from html import escape
from typing import Any
from urllib.parse import parse_qsl

from authlib.oauth2 import OAuth2Error
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from libs.cli.issuer.config import Config, signing_key
from libs.cli.issuer.page import refusal_page, sign_in_page
from libs.cli.issuer.server import Asked, Server

PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
FORM_FIELDS_MAX = 30
Pairs = list[tuple[str, str]]


def create_app(config: Config) -> Starlette:
    """The application for one configuration."""
    server = Server(config, signing_key(config.key_file))

    async def discovery(_: Request) -> Response:
        return JSONResponse(metadata(config.issuer))

    async def keys(_: Request) -> Response:
        return JSONResponse({"keys": [server.key.as_dict(private=False)]})

    async def authorize(request: Request) -> Response:
        return _authorize(server, request, await _form(request))

    async def token(request: Request) -> Response:
        answer: Response = server.create_token_response(_asked(request, await _form(request)))
        return answer

    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", discovery),
            Route("/.well-known/oauth-authorization-server", discovery),
            Route("/jwks.json", keys),
            Route("/authorize", authorize, methods=["GET", "POST"]),
            Route("/token", token, methods=["POST"]),
        ]
    )


def metadata(issuer: str) -> dict[str, Any]:
    """The discovery document (OpenID Connect Discovery §3, RFC 8414 §2)."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks.json",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
    }


def _authorize(server: Server, request: Request, form: Pairs) -> Response:
    asked = _asked(request, [])  # what is asked for stands in the address; the form only says who signs in
    try:
        grant = server.get_consent_grant(asked)
        resource = server.resource_for(grant.client, asked.payload.data.get("resource"))
    except OAuth2Error as error:
        page = refusal_page(escape(str(error.description or error.error)))
        return HTMLResponse(page, 400, PAGE_HEADERS)
    if request.method == "GET":
        return HTMLResponse(sign_in_page(server.config.users, resource), headers=PAGE_HEADERS)
    person = server.person(dict(form).get("username", ""), resource)
    if person is None:
        return HTMLResponse(refusal_page("There is no such development user."), 400, PAGE_HEADERS)
    answer: Response = server.create_authorization_response(asked, grant_user=person, grant=grant)
    return answer


def _asked(request: Request, form: Pairs) -> Asked:
    return Asked(request.method, str(request.url), request.headers, [*request.query_params.multi_items(), *form])


async def _form(request: Request) -> Pairs:
    """The fields of an urlencoded form, the only form that OAuth knows; anything malformed is no field at all."""
    body = await request.body()
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX)
    except ValueError:
        return []
