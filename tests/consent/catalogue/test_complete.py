"""Every code of the domain reference (§5 to §8) ships, with what it says of it; and nothing that it says must not be.

The table stands here, not beside the data: whoever takes a code out of the files has to take it out of here too.
"""

import pytest

from tests.consent.world.examples import NOW, the_catalogue

OPEN, CONFIDENTIAL, SENSITIVE, RESTRICTED = (
    "IKKE_FORTROLIGE_DATA",
    "FORTROLIGE_PERSONOPLYSNINGER",
    "FOELSOMME_PERSONOPLYSNINGER",
    "VIP_SAGER",
)
CATEGORIES = {  # §5: level, special, holders, whether it may be chosen
    "SAGSEKSISTENS": (SENSITIVE, None, {"BIF", "SOF"}, True),
    "FORSOERGELSE": (CONFIDENTIAL, None, {"BIF"}, True),
    "RAADIGHED_SANKTION": (CONFIDENTIAL, None, {"BIF"}, True),
    "BESKAEFTIGELSESFORLOEB": (CONFIDENTIAL, None, {"BIF"}, True),
    "AFKLARING_ARBEJDSEVNE": (SENSITIVE, "art9", {"BIF"}, True),
    "FREMMOEDE": (CONFIDENTIAL, None, {"BIF", "SOF"}, True),
    "UDDANNELSE": (CONFIDENTIAL, None, {"BIF"}, True),
    "SOCIAL_STOETTE": (SENSITIVE, "art9", {"SOF"}, True),
    "RUSMIDDEL": (SENSITIVE, "art9", {"SOF"}, True),
    "HELBRED_PSYKIATRI": (SENSITIVE, "art9", {"BIF", "SOF"}, True),
    "PLEJE": (SENSITIVE, "art9", {"SOF"}, True),
    "HANDICAP": (SENSITIVE, "art9", {"SOF"}, True),
    "BOLIG": (SENSITIVE, None, {"SOF"}, True),
    "HUSLEJE_UDSAETTELSE": (SENSITIVE, None, {"SOF"}, True),
    "KRISECENTER": (RESTRICTED, "art9", {"SOF"}, False),
    "BARN_SAG": (SENSITIVE, "art9", {"SOF"}, True),
    "BARN_UNDERSOEGELSE": (SENSITIVE, "art9", {"SOF"}, False),
    "PLANER": (SENSITIVE, "art9", {"BIF", "SOF"}, True),
    "STRAFBARE_FORHOLD": (SENSITIVE, "art10", {"SOF"}, False),
    "TOLKEBEHOV": (OPEN, None, {"BIF", "SOF"}, True),
}
PURPOSES = {  # §6: legal basis, from which administration to which
    "KOORDINERING": ("GDPR_SAMTYKKE", {"BIF>SOF", "SOF>BIF"}),
    "FAELLES_PLAN": ("GDPR_SAMTYKKE", {"BIF>SOF", "SOF>BIF", "BIF>FAELLES", "SOF>FAELLES"}),
    "AFKLARING": ("RSL_11A", {"SOF>BIF", "SOF>FAELLES"}),
    "RAADIGHEDSVURDERING": ("FVL_29", {"SOF>BIF"}),
    "FAMILIEINDSATS": ("GDPR_SAMTYKKE", {"BIF>SOF", "SOF>BIF", "BIF>FAELLES", "SOF>FAELLES"}),
    "BOLIG_FOREBYGGELSE": ("GDPR_SAMTYKKE", {"BIF>SOF", "SOF>BIF"}),
    "UNGEINDSATS": ("GDPR_SAMTYKKE", {"BIF>SOF", "SOF>BIF"}),
    "BEHANDLING_FASTHOLDELSE": ("GDPR_SAMTYKKE", {"BIF>SOF", "SOF>BIF"}),
    "TVAERFAGLIGT_MOEDE": ("GDPR_SAMTYKKE", {"BIF>SOF", "SOF>BIF"}),
    "KONTAKT": ("GDPR_SAMTYKKE", {"BIF>SOF", "SOF>BIF", "BIF>FAELLES", "SOF>FAELLES"}),
    "SANKTION_STOETTE": ("GDPR_SAMTYKKE", {"BIF>SOF"}),  # ours: what §5 calls RAADIGHED_SANKTION stands alone (R33)
}
UNITS = {  # §7, in its order
    "BIF-JOBINDSATS": "BIF", "BIF-KANTEN": "BIF", "BIF-UDSATTE-VOKSNE": "BIF", "BIF-HJEMLOESE": "BIF",
    "BIF-CAB": "BIF", "BIF-UNGE": "BIF", "BIF-CBA": "BIF", "BIF-YDELSE": "BIF", "BIF-PSYKOLOG": "BIF",
    "BIF-FREMSKUDT-HERBERG": "BIF", "BIF-FREMSKUDT-KRISECENTER": "BIF", "BIF-FREMSKUDT-RUSMIDDEL": "BIF",
    "BIF-FREMSKUDT-GADEPLAN": "BIF", "BIF-FREMSKUDT-BOSTED": "BIF",
    "SOF-BCV": "SOF", "SOF-HJEMLOESE": "SOF", "SOF-RUSMIDDEL": "SOF", "SOF-RUSMIDDEL-NYROPSGADE": "SOF",
    "SOF-PSYKIATRI": "SOF", "SOF-BOLIG-BESK": "SOF", "SOF-KRIMPRAEV": "SOF", "SOF-BCH": "SOF",
    "SOF-BBU-AMAGER": "SOF", "SOF-BBU-CITY-OESTERBRO": "SOF", "SOF-BBU-NOERREBRO": "SOF",
    "SOF-BBU-VANLOESE": "SOF", "SOF-BBU-VALBY": "SOF", "SOF-BOLIGRAADGIVNING": "SOF",
    "SOF-STEPUP-BBU": "SOF", "SOF-STEPUP-BCV": "SOF", "SOF-STEPUP-RUSMIDDEL": "SOF",
    "FAELLES-BIF-SOF": "FAELLES", "FAELLES-MAKKERPAR": "FAELLES", "FAELLES-REHAB": "FAELLES",
}  # fmt: skip
LEGAL_BASES = {  # §1 and §6: does it ask for a consent
    "GDPR_SAMTYKKE": True, "FVL_29": True, "RSL_11A": True, "RSL_11A_2": False, "RSL_11C": False, "GDPR_6_1_E": False,
    "BARNETS_LOV_UNDERRETNING": False,
}  # fmt: skip
CITIZEN_EVENTS = {  # §8: direction, KLE, what is revealed about the citizen
    "sof.rusmiddel.opstartet": ("SOF->BIF", "27.51.04", {"RUSMIDDEL"}),
    "sof.rusmiddel.afbrudt": ("SOF->BIF", "27.51.04", {"RUSMIDDEL", "FREMMOEDE"}),
    "sof.stoette.bevilget": ("SOF->BIF", "27.48.08", {"SOCIAL_STOETTE"}),
    "sof.stoette.aendret": ("SOF->BIF", "27.48.08", {"SOCIAL_STOETTE"}),
    "sof.stoette.ophoert": ("SOF->BIF", "27.36.12", {"SOCIAL_STOETTE"}),
    "sof.bolig.flytning": ("SOF->BIF", None, {"BOLIG"}),
    "sof.herberg.indskrevet": ("SOF->BIF", None, {"BOLIG"}),
    "sof.herberg.udskrevet": ("SOF->BIF", None, {"BOLIG"}),
    "sof.bolig.udsaettelse_varslet": ("SOF->BIF", None, {"HUSLEJE_UDSAETTELSE"}),
    "sof.plan.opdateret": ("SOF->BIF", None, {"PLANER"}),
    "bif.ydelse.stoppet": ("BIF->SOF", None, {"FORSOERGELSE"}),
    "bif.ydelse.startet": ("BIF->SOF", None, {"FORSOERGELSE"}),
    "bif.sanktion.partshoering": ("BIF->SOF", None, {"RAADIGHED_SANKTION"}),
    "bif.sanktion.truffet": ("BIF->SOF", None, {"RAADIGHED_SANKTION"}),
    "bif.visitation.aendret": ("BIF->SOF", None, {"BESKAEFTIGELSESFORLOEB"}),
    "bif.tilbud.bevilget": ("BIF->SOF", None, {"BESKAEFTIGELSESFORLOEB"}),
    "bif.forloeb.udeblevet": ("BIF->SOF", None, {"FREMMOEDE"}),
    "bif.forloeb.afbrudt": ("BIF->SOF", None, {"FREMMOEDE"}),
    "bif.afklaring.paabegyndt": ("BIF->SOF", None, {"AFKLARING_ARBEJDSEVNE"}),
    "bif.afklaring.indstilling": ("BIF->SOF", None, {"AFKLARING_ARBEJDSEVNE"}),
    "bif.plan.opdateret": ("BIF->SOF", None, {"PLANER"}),
    "bif.sag.sagsbehandlerskift": ("BIF->SOF", None, {"SAGSEKSISTENS"}),
    "sof.sag.sagsbehandlerskift": ("SOF->BIF", None, {"SAGSEKSISTENS"}),
    "bif.moede.planlagt": ("BIF->SOF", None, {"SAGSEKSISTENS"}),
    "sof.moede.planlagt": ("SOF->BIF", None, {"SAGSEKSISTENS"}),
    "faellessag.identificeret": ("both", None, {"SAGSEKSISTENS"}),
}
FAMILY_EVENTS = {  # §8: about the child BARN_SAG, about a parent that there is a case
    "sof.boernesag.aabnet": "27.24.03",
    "sof.boernesag.lukket": "27.24.03",
    "sof.boern.indsats_ivaerksat": "27.27.09",
}
LIFECYCLE_EVENTS = {
    *(f"{administration}.sag.{what}" for administration in ("bif", "sof") for what in ("aabnet", "lukket")),
    *(f"cpr.{what}" for what in ("doedsfald", "flytning_ud", "foraeldremyndighed_aendret")),
    *(f"cpr.fylder_{age}" for age in (10, 15, 18)),
    *(f"samtykke.{what}" for what in ("afgivet", "afvist", "tilbagekaldt", "udloebet", "lukket", "snart_udloeber")),
}
NEVER = {"LEDELSESINFORMATION", "KONTROL", "STATISTIK", "ANDET", "ETNICITET", "SSD", "HJAELPEMIDLER", "MERUDGIFTER"}


@pytest.mark.parametrize("code", sorted(CATEGORIES))
def test_every_category_ships_as_the_reference_has_it(code: str) -> None:
    found = the_catalogue().category(code, NOW)
    assert found is not None
    level, special, holders, selectable = CATEGORIES[code]
    assert (found.sensitivity, found.special, set(found.holders), found.selectable) == (
        *(level, special, holders, selectable),
    )
    assert (found.subject == "child") == code.startswith("BARN_")


@pytest.mark.parametrize("code", sorted(PURPOSES))
def test_every_purpose_ships_in_the_directions_of_the_reference(code: str) -> None:
    catalogue = the_catalogue()
    found = catalogue.purpose(code, NOW)
    assert found is not None
    law, directions = PURPOSES[code]
    administrations = {unit: catalogue.units[unit][-1].administration for unit in catalogue.units}
    offered = {f"{administrations[offer.holder]}>{administrations[offer.recipient]}" for offer in found.between}
    assert (found.legal_basis, offered) == (law, directions)
    text = catalogue.text(found.text, NOW)
    assert text is not None
    assert text.legal_basis == law


@pytest.mark.parametrize("code", sorted(UNITS))
def test_every_unit_ships_in_its_administration(code: str) -> None:
    found = the_catalogue().unit(code, NOW)
    assert found is not None
    assert found.administration == UNITS[code]


@pytest.mark.parametrize("code", sorted(LEGAL_BASES))
def test_every_legal_basis_ships(code: str) -> None:
    found = the_catalogue().legal_basis(code, NOW)
    assert found is not None
    assert found.needs_consent == LEGAL_BASES[code]


def test_what_is_not_in_force_is_known_and_not_in_force() -> None:
    assert "HOI" in the_catalogue().legal_bases
    assert the_catalogue().legal_basis("HOI", NOW) is None


@pytest.mark.parametrize("code", sorted(CITIZEN_EVENTS))
def test_every_event_ships_with_what_it_reveals_and_a_purpose_it_may_serve(code: str) -> None:
    found = the_catalogue().event_type(code, NOW)
    assert found is not None
    direction, kle, revealed = CITIZEN_EVENTS[code]
    assert (found.direction, found.kle) == (direction, kle)
    assert {(part.role, part.category) for part in found.reveals} == {("citizen", category) for category in revealed}
    assert found.purposes


@pytest.mark.parametrize("code", sorted(FAMILY_EVENTS))
def test_every_event_about_a_child_reveals_something_about_a_parent_too(code: str) -> None:
    found = the_catalogue().event_type(code, NOW)
    assert found is not None
    assert found.kle == FAMILY_EVENTS[code]
    assert {(part.role, part.category) for part in found.reveals} == {
        ("child", "BARN_SAG"),
        ("parent", "SAGSEKSISTENS"),
    }
    assert found.purposes == ("FAMILIEINDSATS",)


@pytest.mark.parametrize("code", sorted(LIFECYCLE_EVENTS))
def test_every_life_cycle_event_ships_and_is_never_disclosed(code: str) -> None:
    found = the_catalogue().event_type(code, NOW)
    assert found is not None
    assert found.lifecycle
    assert not found.reveals


def test_nothing_ships_that_the_reference_rules_out() -> None:
    catalogue = the_catalogue()
    for codes in (catalogue.purposes, catalogue.categories, catalogue.legal_bases):
        assert not NEVER & set(codes)
    others = set(catalogue.event_types) - {*CITIZEN_EVENTS, *FAMILY_EVENTS, *LIFECYCLE_EVENTS}
    assert all(catalogue.event_types[code][-1].lifecycle for code in others), "what is disclosed stands in the table"
    assert not any("hjaelpemidler" in code or "merudgifter" in code for code in catalogue.event_types)


def test_a_unit_whose_name_reveals_a_refuge_is_offered_nowhere() -> None:
    for versions in the_catalogue().purposes.values():
        for purpose in versions:
            assert not any("KRISECENTER" in offer.holder + offer.recipient for offer in purpose.between)
