"""Disclosure under a permit: consent is asked, the answer leaves within the lease, the permit is settled."""
