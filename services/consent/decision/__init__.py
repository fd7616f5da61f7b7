"""The rules of consent, pure: standard library, no clock, no randomness, no I/O; `now` and ids come in as arguments.

1. No consent, no disclosure: a question is answered yes only by a consent (or a recorded other basis) that names
   exactly that person, holder unit, recipient unit, purpose and category.
2. An active refusal overrides everything for its purpose and recipient.
3. Limits (expiry, legal ceiling, age, custody, closed case, closed unit) are read when deciding, never by a job.
4. A status changes only through `consent.TRANSITIONS`.
5. Every declaration that age and custody demand *today* must be there; one giver, one declaration.
"""
