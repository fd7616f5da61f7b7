"""The development issuer: sign-in and tokens for a system that runs on one machine, and never for real people.

It stands where the national login broker and the municipality's own provider stand in production, and speaks as they
do: discovery, published keys, authorization code with PKCE, client credentials, RFC 9068 access tokens with a resource
indicator (RFC 8707). The protocol is Authlib's own authorization server; only what it leaves to us is here. It refuses
to start outside the development profile, and says on every page what it is.
"""
