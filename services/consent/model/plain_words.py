"""The words that a citizen reads about consents, receipts and their own data: short, in Danish and English (R42).

One table for each list of codes, so that a code without words is found by a test and not by a reader.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto

from services.consent.model.bilingual import Bilingual


@dataclass(frozen=True, slots=True)
class Told:
    """A kind of receipt: its title, and the sentence under it."""

    title: Bilingual
    sentence: Bilingual


def _told(title: tuple[str, str], sentence: tuple[str, str]) -> Told:
    return Told(Bilingual(*title), Bilingual(*sentence))


EVENTS: Mapping[str, Told] = {
    "given": _told(
        ("der er givet samtykke", "a consent was given"),
        (
            "Der er sagt ja til, at kommunen må dele det, der står her.",
            "The municipality may now share what is said here.",
        ),
    ),
    "declared": _told(
        ("et ja er givet, og der mangler et", "one yes was given, one is missing"),
        (
            "Der er sagt ja. Samtykket gælder først, når alle, der skal sige ja, har gjort det.",
            "A yes was given. The consent only holds when all who must say yes have done so.",
        ),
    ),
    "renewed": _told(
        ("samtykket er fornyet", "the consent was renewed"),
        (
            "Der er sagt ja igen. Det nye ja gælder i stedet for det gamle.",
            "A new yes was given. It replaces the old one.",
        ),
    ),
    "narrowed": _told(
        ("samtykket er gjort mindre", "the consent was made smaller"),
        (
            "Der er sagt ja til mindre end før. Kun det, der står her, må deles nu.",
            "The yes now covers less than before. Only what is said here may be shared.",
        ),
    ),
    "declined": _told(
        ("der er sagt nej tak", "the answer was no"),
        (
            "Der er sagt nej til det, kommunen spurgte om. Intet bliver delt ud fra det.",
            "The municipality asked, and the answer was no. Nothing is shared because of it.",
        ),
    ),
    "withdrawn": _told(
        ("samtykket er trukket tilbage", "the consent was withdrawn"),
        ("Samtykket er slut. Det må ikke bruges mere.", "The consent is over. It may not be used any more."),
    ),
    "expired": _told(
        ("samtykket er udløbet", "the consent has expired"),
        (
            "Tiden er gået, og samtykket er slut. Det bliver ikke fornyet af sig selv.",
            "Its time has passed, and the consent is over. It is not renewed by itself.",
        ),
    ),
    "closed": _told(
        ("samtykket er lukket", "the consent was closed"),
        ("Samtykket er slut, fordi noget er sket.", "The consent is over because something happened."),
    ),
    "refused": _told(
        ("du har sagt nej", "you have said no"),
        (
            "Intet må deles til dette formål, uanset hvad der før er sagt ja til.",
            "Nothing may be shared for this purpose, whatever was agreed to before.",
        ),
    ),
    "refusal_lifted": _told(
        ("dit nej er taget tilbage", "your no was taken back"),
        (
            "Det, der er sagt ja til, gælder igen fra nu af.",
            "What was agreed to counts again from now on.",
        ),
    ),
    "restricted": _told(
        ("brugen er sat i bero", "the use is on hold"),
        (
            "Kommunen gemmer oplysningerne, men må ikke dele dem nu.",
            "The municipality keeps the data, but may not share it now.",
        ),
    ),
    "restriction_lifted": _told(
        ("brugen er ikke længere i bero", "the use is no longer on hold"),
        ("Det, der er sagt ja til, gælder igen fra nu af.", "What was agreed to counts again from now on."),
    ),
    "other_basis_recorded": _told(
        ("der deles efter loven", "data is shared by law"),
        (
            "Loven siger, at dette må deles uden dit samtykke. Det er ikke et samtykke.",
            "The law says that this may be shared without your consent. It is not a consent.",
        ),
    ),
    "other_basis_ended": _told(
        ("der deles ikke mere efter loven", "data is no longer shared by law"),
        ("Dette må ikke deles mere uden dit samtykke.", "This may no longer be shared without your consent."),
    ),
    "emergency_disclosure": _told(
        ("der er delt i en nødsituation", "data was shared in an emergency"),
        (
            "En medarbejder har delt noget om dig uden samtykke, fordi det hastede.",
            "An employee has shared something about you without consent, because it was urgent.",
        ),
    ),
    "authority_recorded": _told(
        ("en anden kan handle for dig", "someone can act for you"),
        ("Fra nu af kan en anden sige ja og nej for dig.", "From now on someone else can say yes and no for you."),
    ),
    "authority_ended": _told(
        ("ingen andre handler for dig", "no one else acts for you"),
        ("Den anden kan ikke mere sige ja og nej for dig.", "The other person can no longer say yes and no for you."),
    ),
}
ROLES: Mapping[str, Bilingual] = {
    "self": Bilingual("Personen selv", "The person"),
    "custody_holder": Bilingual("En, der har forældremyndigheden", "A holder of custody"),
    "guardian": Bilingual("En værge", "A guardian"),
    "attorney": Bilingual("En, der har fuldmagt", "Someone with a power of attorney"),
    "employee": Bilingual("En medarbejder", "An employee"),
    "service": Bilingual("Ingen. Systemet har skrevet det ned", "No one. The system wrote it down"),
}
METHODS: Mapping[str, Bilingual] = {
    "system_evidence": Bilingual("På nettet, efter login", "Online, after login"),
    "telephone_conversation": Bilingual("I telefonen", "By telephone"),
    "personal_conversation": Bilingual("Ved et møde", "In person"),
    "recorded": Bilingual("Skrevet ind i systemet", "Recorded in the system"),
    "automatic": Bilingual("Af sig selv", "By itself"),
}
STATUSES: Mapping[str, Bilingual] = {
    "requested": Bilingual("Venter på svar", "Waiting for an answer"),
    "pending_signature": Bilingual("Venter på, at flere siger ja", "Waiting for others to say yes"),
    "active": Bilingual("Gælder", "In force"),
    "withdrawn": Bilingual("Trukket tilbage", "Withdrawn"),
    "expired": Bilingual("Udløbet", "Expired"),
    "closed": Bilingual("Lukket", "Closed"),
    "declined": Bilingual("Sagt nej til", "Declined"),
}
REASONS: Mapping[str, Bilingual] = {
    "superseded": Bilingual("Et nyt ja har afløst det", "A new yes replaced it"),
    "death": Bilingual("Personen er død", "The person has died"),
    "moved_out": Bilingual("Personen er flyttet til en anden kommune", "The person moved to another municipality"),
    "request_cancelled": Bilingual("Kommunen spørger ikke mere", "The municipality asks no more"),
    "case_closed": Bilingual("Sagen er slut", "The case is closed"),
    "age_changed": Bilingual("Personen er blevet ældre og skal selv svare", "The person has come of age to answer"),
    "custody_changed": Bilingual("En anden har forældremyndigheden nu", "Someone else has custody now"),
    "authority_changed": Bilingual("Fuldmagten eller værgemålet er slut", "The authority to act has ended"),
}
ASSURANCES: Mapping[str, Bilingual] = {
    "Low": Bilingual("lav sikkerhed", "low assurance"),
    "Substantial": Bilingual("betydelig sikkerhed", "substantial assurance"),
    "High": Bilingual("høj sikkerhed", "high assurance"),
}
ENDS: Mapping[str, Bilingual] = {
    "municipal_policy": Bilingual("kommunens grænse", "the municipality's limit"),
    "legal_ceiling": Bilingual("lovens grænse", "the limit of the law"),
    "citizens_choice": Bilingual("valgt af den, der sagde ja", "chosen by who said yes"),
}


class Term(StrEnum):
    """What a heading or a fact is called."""

    RECEIPT = auto()
    ABOUT = auto()
    HOW = auto()
    CHANGE = auto()
    RIGHTS = auto()
    PROOF = auto()
    PROOF_SENTENCE = auto()
    FILE = auto()
    RECIPIENT = auto()
    HOLDER = auto()
    WHAT = auto()
    SPECIAL = auto()
    PURPOSE = auto()
    LAW = auto()
    FROM = auto()
    UNTIL = auto()
    STATUS = auto()
    REASON = auto()
    WHEN = auto()
    WHO = auto()
    METHOD = auto()
    UNIT = auto()
    AUTHORITY = auto()
    TEXT = auto()
    TEXT_HASH = auto()
    NOTHING_TO_UNDO = auto()
    UNDO_ONLINE = auto()
    UNDO_OTHERWISE = auto()
    CONTROLLER = auto()
    CONTACT = auto()
    COMPLAINT = auto()
    STORAGE = auto()
    NUMBER = auto()
    RECEIPT_ID = auto()
    SUBJECT = auto()
    ISSUER = auto()
    FINGERPRINT = auto()
    PREVIOUS = auto()
    FIRST = auto()
    EVERY_UNIT = auto()
    EVERY_PURPOSE = auto()


TERMS: Mapping[Term, Bilingual] = {
    Term.RECEIPT: Bilingual("Kvittering", "Receipt"),
    Term.ABOUT: Bilingual("Hvad det handler om", "What it is about"),
    Term.HOW: Bilingual("Sådan skete det", "How it happened"),
    Term.CHANGE: Bilingual("Hvis du vil ændre det", "If you want to change it"),
    Term.RIGHTS: Bilingual("Dine rettigheder", "Your rights"),
    Term.PROOF: Bilingual("Bevis", "Proof"),
    Term.PROOF_SENTENCE: Bilingual(
        "Den underskrevne kvittering ligger som en fil i dette dokument. Alle kan kontrollere den uden at spørge os. "
        "Dine kvitteringer har numre i rækkefølge, så du kan se, om der mangler en.",
        "The signed receipt is a file in this document. Anyone can check it without asking us. "
        "Your receipts are numbered in order, so you can see if one is missing.",
    ),
    Term.FILE: Bilingual("Den underskrevne kvittering", "The signed receipt"),
    Term.RECIPIENT: Bilingual("Hvem får noget at vide", "Who is told"),
    Term.HOLDER: Bilingual("Hvem fortæller det", "Who tells it"),
    Term.WHAT: Bilingual("Hvad", "What"),
    Term.SPECIAL: Bilingual("følsomt", "sensitive"),
    Term.PURPOSE: Bilingual("Hvorfor", "Why"),
    Term.LAW: Bilingual("Lov", "Law"),
    Term.FROM: Bilingual("Fra", "From"),
    Term.UNTIL: Bilingual("Til", "Until"),
    Term.STATUS: Bilingual("Status", "Status"),
    Term.REASON: Bilingual("Grund", "Reason"),
    Term.WHEN: Bilingual("Hvornår", "When"),
    Term.WHO: Bilingual("Hvem", "Who"),
    Term.METHOD: Bilingual("Hvordan", "How"),
    Term.UNIT: Bilingual("Skrevet ned af", "Written down by"),
    Term.AUTHORITY: Bilingual("Fuldmagt eller værgemål", "Authority to act"),
    Term.TEXT: Bilingual("Teksten, der blev vist", "The text that was shown"),
    Term.TEXT_HASH: Bilingual("Tekstens fingeraftryk", "Fingerprint of the text"),
    Term.NOTHING_TO_UNDO: Bilingual("Der er intet, du skal gøre.", "There is nothing you need to do."),
    Term.UNDO_ONLINE: Bilingual(
        "Du kan altid tage det tilbage. Du skal ikke sige hvorfor. Det sker her:",
        "You can always take it back. You need not say why. You do it here:",
    ),
    Term.UNDO_OTHERWISE: Bilingual(
        "Du kan også ringe eller sige det til din sagsbehandler. Du kan skrive til",
        "You can also call or tell your caseworker. You can write to",
    ),
    Term.CONTROLLER: Bilingual("Ansvarlig", "Controller"),
    Term.CONTACT: Bilingual("Skriv til", "Write to"),
    Term.COMPLAINT: Bilingual("Her kan du klage", "Where you can complain"),
    Term.STORAGE: Bilingual("Sted og tid for opbevaring", "Where and how long it is kept"),
    Term.NUMBER: Bilingual("Nummer", "Number"),
    Term.RECEIPT_ID: Bilingual("Kvitteringens id", "Receipt id"),
    Term.SUBJECT: Bilingual("Dit id her", "Your id here"),
    Term.ISSUER: Bilingual("Udstedt af", "Issued by"),
    Term.FINGERPRINT: Bilingual("Fingeraftryk (SHA-256)", "Fingerprint (SHA-256)"),
    Term.PREVIOUS: Bilingual("Fingeraftryk af den forrige", "Fingerprint of the one before"),
    Term.FIRST: Bilingual("Dette er den første", "This is the first"),
    Term.EVERY_UNIT: Bilingual("Alle enheder", "Every unit"),
    Term.EVERY_PURPOSE: Bilingual("Alle grunde", "Every reason"),
}
