"""Consent owns **who may**: citizens' identity, custody links, catalogue, consents, the fence, the use log, receipts.

It refuses to know who is interested in what, or how anyone is told: that is `services.advis`.
"""
