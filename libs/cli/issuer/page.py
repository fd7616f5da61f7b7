"""The two pages a person may see here, unmistakably not for real use."""

from collections.abc import Iterable
from html import escape

from libs.cli.issuer.config import User

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} – development issuer, not for real use</title>
<style>
  body {{ font: 1.125rem/1.5 system-ui, sans-serif; margin: 0; color: #1a1a1a; background: #fff; }}
  header {{ background: #7a1f00; color: #fff; padding: 1rem 1.5rem; border-bottom: 0.75rem solid #ffd400; }}
  header p {{ margin: 0; font-weight: 700; letter-spacing: 0.03em; }}
  main {{ max-width: 40rem; padding: 1.5rem; }}
  ul {{ list-style: none; padding: 0; }}
  li {{ margin: 0 0 0.5rem; }}
  button {{ font: inherit; width: 100%; text-align: left; padding: 0.6rem 1rem; border: 2px solid #1a1a1a;
           background: #fff; color: inherit; border-radius: 0.25rem; cursor: pointer; }}
  button:hover {{ background: #f2f2f2; }}
  button:focus-visible {{ outline: 4px solid #0b5fff; outline-offset: 2px; }}
</style>
</head>
<body>
<header><p>DEVELOPMENT ISSUER – NOT FOR REAL USE. Nobody here is a real person; no password is asked for.</p></header>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def sign_in_page(users: Iterable[User], resource: str) -> str:
    """The list of development users, one button each."""
    choices = "\n".join(
        f'<li><button name="username" value="{escape(user.username)}">{escape(user.display_name)}</button></li>'
        for user in users
    )
    body = (
        f"<p>Sign in to <strong>{escape(resource)}</strong> as:</p>\n<form method='post'><ul>\n{choices}\n</ul></form>"
    )
    return _FRAME.format(title="Choose who to be", body=body)


def refusal_page(reason: str) -> str:
    """Why the request cannot be served; `reason` is already safe to show."""
    return _FRAME.format(title="This sign-in cannot go on", body=f"<p>{reason}</p>")
