"""The rules of advis, in prose.

1. An event arrives. Consent answers with *openings*: a recipient unit, a purpose, about whom, and the epoch of every
   scope that would be revealed. Advis adds who wants to know: the unit subscribes to the event type for that purpose
   and has an open case about that person. All three together make exactly one notification per
   (event, recipient unit, purpose, subject); anything less leaves nothing behind but the inbox key (P2, P3).
2. A notification is unread, read, handled or cancelled. A refused permit cancels it at once, whatever state it is in;
   nothing leaves `cancelled`, because the unbroken coverage that it rested on can never come back (docs/fence.md).
3. A doorbell carries nothing and is still a disclosure: every attempt takes a permit of its own (docs/fence.md).
4. A case belongs to one citizen for ever. The registry follows the source's own clock, so that a late event never
   undoes a newer one (R45).
"""
