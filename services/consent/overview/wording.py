"""What the citizen's overview says in words of its own (R42): what a consent says, and why nothing is told now."""

from collections.abc import Mapping

from services.consent.decision.decide import Reason
from services.consent.model.bilingual import Bilingual

CONSENT = Bilingual(
    da="{recipient} må få noget at vide af {holder}. Det er: {categories}. Grunden er: {purpose}. "
    "Det gælder til {until}.",
    en="{recipient} may be told something by {holder}. It is: {categories}. The reason is: {purpose}. "
    "This holds until {until}.",
)
REFUSAL = Bilingual(
    da="Intet må deles med: {recipient}. Det gælder: {purpose}.",
    en="Nothing may be shared with: {recipient}. This is about: {purpose}.",
)
EVERYONE = Bilingual("alle enheder", "all units")
EVERYTHING = Bilingual("alle grunde til at dele", "every reason to share")
NOTHING_NOW = Bilingual("Der bliver intet delt lige nu.", "Nothing is shared right now.")
NOT_NOW: Mapping[Reason, Bilingual] = {
    Reason.UNKNOWN_UNIT: Bilingual(
        "Der bliver intet delt, for en af enhederne er lukket.",
        "Nothing is shared, because one of the units is closed.",
    ),
    Reason.UNKNOWN_PURPOSE: Bilingual(
        "Der bliver intet delt, for kommunen deler ikke mere af den grund.",
        "Nothing is shared, because the municipality no longer shares for this reason.",
    ),
    Reason.REFUSED: Bilingual(
        "Der bliver intet delt, for du har sagt nej.", "Nothing is shared, because you have said no."
    ),
    Reason.RESTRICTED: Bilingual(
        "Der bliver intet delt, for brugen er sat i bero.", "Nothing is shared, because the use is on hold."
    ),
    Reason.MOVED_OUT: Bilingual(
        "Der bliver intet delt, for du bor i en anden kommune.",
        "Nothing is shared, because you live in another municipality.",
    ),
    Reason.DECLARATION_MISSING: Bilingual(
        "Der bliver intet delt, før alle, der skal sige ja, har gjort det.",
        "Nothing is shared until all who must say yes have done so.",
    ),
    Reason.NO_CONSENT: Bilingual(
        "Der bliver intet delt, før alle, der skal sige ja, har gjort det.",
        "Nothing is shared until all who must say yes have done so.",
    ),
    Reason.CASE_CLOSED: Bilingual(
        "Der bliver intet delt, for din sag er slut.", "Nothing is shared, because your case is closed."
    ),
    Reason.BASIS_NOT_IN_FORCE: Bilingual(
        "Der bliver intet delt, for loven er ændret.", "Nothing is shared, because the law has changed."
    ),
}
KINDS_OF_USE: Mapping[str, Bilingual] = {
    "inbox": Bilingual("Set i en indbakke", "Seen in an inbox"),
    "stream": Bilingual("Sendt til en åben skærm", "Sent to an open screen"),
    "api": Bilingual("Hentet af et fagsystem", "Fetched by a case system"),
    "doorbell": Bilingual("Besked om, at der er nyt", "Message that there is news"),
    "digest": Bilingual("Samlet besked om, at der er nyt", "Daily message that there is news"),
    "mail": Bilingual("Mail om, at der er nyt", "Mail that there is news"),
}
NOTICES: Mapping[str, Bilingual] = {
    "fact_corrected": Bilingual(
        "Noget forkert, vi havde hørt om dig, er rettet",
        "Something wrong that we heard of you is corrected",
    ),
    "expiring_soon": Bilingual("Et samtykke udløber snart", "A consent expires soon"),
    "attested": Bilingual(
        "En medarbejder har skrevet ned, hvad du sagde", "An employee has written down what you said"
    ),
    "restriction_to_be_lifted": Bilingual(
        "Brugen af det, der var i bero, begynder igen", "What is on hold will be used again"
    ),
    "child_involved": Bilingual("Du er fyldt 10 og bliver hørt", "You are 10 now, and you are heard"),
    "asked_at_15": Bilingual("Du er fyldt 15 og skal selv svare", "You are 15 now, and you answer yourself"),
    "of_age_at_18": Bilingual("Du er fyldt 18 og svarer alene", "You are 18 now, and only you answer"),
    "authority_recorded": Bilingual("En anden kan nu handle for dig", "Someone else can act for you now"),
    "authority_ended": Bilingual("Den anden kan ikke mere handle for dig", "The other can no longer act for you"),
    "emergency_disclosure": Bilingual(
        "Noget er delt om dig i en nødsituation", "Something about you was shared in an emergency"
    ),
}
