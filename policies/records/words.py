"""What a record says in English and in French."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

from policies.retention import Period

Language = Literal["en", "fr"]
_Both = Mapping[str, tuple[str, str]]
_PLACE: Mapping[Language, int] = MappingProxyType({"en": 0, "fr": 1})

MISSING: _Both = MappingProxyType(
    {
        "country": ("where the controller is established", "le pays d'établissement du responsable"),
        "contact": ("the controller's contact details", "les coordonnées du responsable du traitement"),
        "representative": (
            "the representative, or that there is none",
            "le représentant, ou l'absence de représentant",
        ),
        "dpo": (
            "the data protection officer, or that there is none",
            "le délégué à la protection des données, ou son absence",
        ),
        "joint_controllers": (
            "the joint controllers, or that there are none",
            "les responsables conjoints, ou leur absence",
        ),
        "processor": ("who runs Penstock for the controller", "le sous-traitant qui exploite Penstock"),
        "function": ("the business function", "la fonction de l'organisme"),
        "objective": ("what the purposes mean in a sentence", "les objectifs poursuivis, en une phrase"),
        "data_subjects": ("the categories of data subjects", "les catégories de personnes concernées"),
        "data_categories": ("the categories of personal data", "les catégories de données"),
        "recipients": ("the categories of recipients", "les catégories de destinataires"),
        "data_origin": ("from whom the data come", "la source des données"),
        "security": (
            "the security measures beside Penstock's own",
            "les mesures de sécurité autres que celles de Penstock",
        ),
        "automated_decisions": ("whether decisions are automated", "l'existence de décisions automatisées"),
        "rights": ("how people exercise their rights", "l'exercice des droits"),
        "breaches": (
            "where breaches are recorded, or that there were none",
            "le registre des violations, ou leur absence",
        ),
        "necessity": ("why the processing is necessary and proportionate", "la nécessité et la proportionnalité"),
        "processor_agreement": ("the agreement with the processor", "le contrat de sous-traitance"),
        "dpia": ("the impact assessment, or why there is none", "l'analyse d'impact, ou la raison de son absence"),
        "interest": (
            "which recognised interest it is (UK GDPR Annex 1)",
            "l'intérêt reconnu dont il s'agit (UK GDPR, annexe 1)",
        ),
        "schedule_1": (
            "the condition of the Data Protection Act 2018, Schedule 1",
            "la condition de l'annexe 1 du DPA 2018",
        ),
        "criteria": ("which criteria for an impact assessment apply", "les critères d'analyse d'impact applicables"),
    }
)
"""What stands in a gap, by the key that fills it."""

PHRASES: _Both = MappingProxyType(
    {
        "gap": ("GAP: {what} ({key})", "LACUNE : {what} ({key})"),
        "none": ("none", "aucun"),
        "not_applicable": ("not applicable: the basis is {basis}", "sans objet : la base légale est {basis}"),
        "own_operation": (
            "no processor: the controller runs Penstock itself",
            "aucun sous-traitant : le responsable exploite Penstock lui-même",
        ),
        "created": ("{period} from creation", "{period} à compter de la création"),
        "modified": ("{period} from the last change", "{period} à compter de la dernière modification"),
        "ingested": ("{period} from when Penstock took it in", "{period} à compter de la prise en charge par Penstock"),
        "then_scheduled": (
            "then hidden at once, and purged with a signed receipt by the worker (cron {cron}, UTC)",
            "puis masquage immédiat, et effacement attesté par un reçu signé, lancé par le worker (cron {cron}, UTC)",
        ),
        "then_asked": (
            "then hidden at once, and purged with a signed receipt when an operator runs it: none is scheduled",
            "puis masquage immédiat, et effacement attesté par un reçu signé si un opérateur le lance (non planifié)",
        ),
        "kept": ("yes: no document is past its period", "oui : aucun document n'a dépassé sa durée"),
        "not_kept": (
            "no: documents past their period, all of them hidden: {what}",
            "non : documents dont la durée est dépassée, tous masqués : {what}",
        ),
        "overdue": ("{count} not purged yet", "{count} pas encore effacés"),
        "spared": ("{count} kept by an order", "{count} conservés sur ordre"),
        "spared_why": (
            "a legal hold or a restriction: penstock hold list, penstock restrict list",
            "conservation pour contentieux ou limitation : penstock hold list, penstock restrict list",
        ),
        "overdue_why": (
            "the purge is due: penstock purge run {source}",
            "effacement à lancer : penstock purge run {source}",
        ),
        "groups": ("callers in {groups}", "appelants des groupes {groups}"),
        "users": ("named users: {count}", "utilisateurs nommés : {count}"),
        "rules": ("rules for single documents: {count}", "règles par document : {count}"),
        "mirrored": ("and whom the origin admits to a document", "et qui est admis au document par sa source"),
        "seen": (
            "observed: answered retrievals: {count}, credentials: {credentials}, from {regions}",
            "observé : consultations : {count}, identifiants : {credentials}, depuis {regions}",
        ),
        "unseen": ("observed: no retrieval yet", "observé : aucune consultation"),
        "redacted": ("observed and replaced: {types}", "observé et remplacé : {types}"),
        "unredacted": ("observed: nothing was replaced", "observé : aucun remplacement"),
        "location": ("at rest in {store}; in memory in {process}", "stockage : {store} ; traitement : {process}"),
        "node": (
            "this node stores in {store} and processes in {process}",
            "ce nœud stocke en {store} et traite en {process}",
        ),
        "no_exit": ("none", "aucun"),
        "ways_store": ("storage", "stockage"),
        "ways_process": ("processing", "traitement"),
        "ways_serve": ("answers to callers", "réponses aux appelants"),
        "ways_system": ("logs", "journaux"),
        "checked": ("checked on {day}", "vérifié le {day:%d/%m/%Y}"),
        "stale": (
            "not in force, or the check is out of date, so nothing is sent",
            "sans effet, ou vérification périmée : rien n'est transmis",
        ),
        "no_special": ("none declared", "aucune donnée sensible déclarée"),
        "no_schedule_1": ("not needed", "sans objet"),
        "dpia_yes": ("required: {why}", "requise : {why}"),
        "dpia_no": ("not required: {why}", "non requise : {why}"),
        "dpia_done": ("made: {reference}", "réalisée : {reference}"),
        "no_criterion": ("no criterion applies", "aucun critère applicable"),
        "measures": (
            (
                "Penstock: texts, titles and vectors of the catalog sealed with a key for each document "
                "(AES-256-GCM), keys kept apart; words and vectors of the index not sealed, so that it needs an "
                "encrypted volume; {redaction}; access decided inside every search; tamper-evident audit; deletion "
                "with a checked, signed receipt"
            ),
            (
                "Penstock : textes, titres et vecteurs du catalogue chiffrés par document (AES-256-GCM), clés "
                "conservées à part ; mots et vecteurs de l'index non chiffrés, d'où le besoin d'un volume chiffré ; "
                "{redaction} ; accès décidé dans chaque recherche ; journal dont toute altération se voit ; effacement "
                "vérifié et attesté par un reçu signé"
            ),
        ),
        "replaced": (
            (
                "people, addresses and identifiers that patterns and a small model recognise are replaced before "
                "indexing (profile {profile}); neither finds all"
            ),
            (
                "personnes, adresses et identifiants reconnus par des motifs et un petit modèle remplacés avant "
                "indexation (profil {profile}), sans que rien ne les trouve tous"
            ),
        ),
        "replaced_identifiers": (
            "identifiers found by patterns are replaced before indexing (profile {profile}); names of people are not",
            "identifiants reconnus à leur forme remplacés avant indexation (profil {profile}), sauf les noms",
        ),
        "vault_on": (
            (
                "the values behind pseudonyms are kept, sealed with each document, and shown to authorised people on "
                "record (vault on)"
            ),
            (
                "valeurs remplacées par des pseudonymes conservées, chiffrées avec chaque document, et montrées aux "
                "seules personnes habilitées, avec trace au journal (coffre actif)"
            ),
        ),
        "allowed": (
            "strings that the manifest names are left as written ({number})",
            "chaînes nommées par le manifeste laissées telles quelles ({number})",
        ),
        "other_languages": (
            "passages in other languages are kept, and no names are looked for in them",
            "passages en d'autres langues conservés, sans recherche de noms",
        ),
        "vault_off": (
            "the values behind pseudonyms are not kept (vault off)",
            "valeurs remplacées par des pseudonymes non conservées (coffre inactif)",
        ),
        "not_replaced": (
            "nothing is replaced before indexing (profile none): {reason}",
            "rien n'est remplacé avant indexation (profil none) : {reason}",
        ),
    }
)

BASES: _Both = MappingProxyType(
    {
        "consent": ("consent", "consentement"),
        "contract": ("contract", "contrat"),
        "legal_obligation": ("legal obligation", "obligation légale"),
        "vital_interests": ("vital interests", "sauvegarde des intérêts vitaux"),
        "public_task": ("public task", "mission d'intérêt public"),
        "legitimate_interests": ("legitimate interests", "intérêts légitimes"),
        "recognised_legitimate_interest": ("recognised legitimate interest", "intérêt légitime reconnu"),
        "sector_rule": ("sector rule", "règle sectorielle"),
        "notice": ("notice at collection", "information lors de la collecte"),
    }
)

INTERESTS: _Both = MappingProxyType(
    {
        "public_task_disclosure": ("disclosure for a public task", "communication pour une mission d'intérêt public"),
        "security_and_defence": ("security and defence", "sécurité et défense"),
        "emergency": ("emergency", "urgence"),
        "crime": ("crime", "infractions"),
        "safeguarding": ("safeguarding", "protection de personnes vulnérables"),
    }
)

CONDITIONS: _Both = MappingProxyType(
    {
        "explicit_consent": ("explicit consent", "consentement explicite"),
        "employment_social_protection": (
            "employment and social protection law",
            "droit du travail et de la protection sociale",
        ),
        "vital_interests": ("vital interests", "sauvegarde des intérêts vitaux"),
        "not_for_profit_body": ("not-for-profit body", "organisme à but non lucratif"),
        "manifestly_public": ("manifestly made public", "données manifestement rendues publiques"),
        "legal_claims": ("legal claims", "droits en justice"),
        "substantial_public_interest": ("substantial public interest", "intérêt public important"),
        "health_or_social_care": ("health or social care", "soins de santé ou protection sociale"),
        "public_health": ("public health", "santé publique"),
        "archiving_research_statistics": ("archiving, research or statistics", "archives, recherche ou statistiques"),
    }
)

MECHANISMS: _Both = MappingProxyType(
    {
        "adequacy": ("adequacy", "décision d'adéquation"),
        "scc": ("standard contractual clauses", "clauses contractuelles types"),
        "idta": ("international data transfer agreement", "accord international de transfert (IDTA)"),
        "bcr": ("binding corporate rules", "règles d'entreprise contraignantes"),
        "dpf": ("Data Privacy Framework", "cadre de protection des données (DPF)"),
        "derogation": ("derogation", "dérogation"),
    }
)

RIGHTS: _Both = MappingProxyType(
    {
        "access": ("access", "accès"),
        "rectification": ("rectification", "rectification"),
        "erasure": ("erasure", "effacement"),
        "restriction": ("restriction", "limitation"),
        "portability": ("portability", "portabilité"),
        "objection": ("objection", "opposition"),
        "withdrawal": ("withdrawal of consent", "retrait du consentement"),
    }
)
_ALWAYS = ("access", "rectification", "restriction")
RIGHTS_BY_BASIS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "consent": (*_ALWAYS, "erasure", "portability", "withdrawal"),
        "contract": (*_ALWAYS, "erasure", "portability"),
        "legal_obligation": _ALWAYS,
        "vital_interests": (*_ALWAYS, "erasure"),
        "public_task": (*_ALWAYS, "objection"),
        "legitimate_interests": (*_ALWAYS, "erasure", "objection"),
        "recognised_legitimate_interest": (*_ALWAYS, "erasure", "objection"),
    }
)
"""Which rights people have by the lawful basis (GDPR Art. 15 to 21; 17(3)(b) takes erasure from two of them)."""

_YEARS, _MONTHS, _DAYS = ("year", "an"), ("month", "mois"), ("day", "jour")


def say(language: Language, phrase: str, **values: object) -> str:
    """A phrase with its values."""
    return PHRASES[phrase][_PLACE[language]].format(**values)


def missing(language: Language, name: str, key: str) -> str:
    """The text of a gap: what is missing and the manifest key that fills it."""
    return say(language, "gap", what=MISSING[name][_PLACE[language]], key=key)


def name(language: Language, table: _Both, key: str) -> str:
    """What the language calls a basis, a condition or a right."""
    return table[key][_PLACE[language]]


def law(language: Language, citation: str) -> str:
    """A citation as the language writes it."""
    return citation.replace("GDPR Art.", "RGPD art.") if language == "fr" else citation


def period(language: Language, span: Period) -> str:
    """The period in words: `2 years and 6 months`."""
    years, months = divmod(span.months, 12)
    parts = [
        _number(language, count, unit)
        for count, unit in ((years, _YEARS), (months, _MONTHS), (span.days, _DAYS))
        if count
    ]
    return (" and " if language == "en" else " et ").join(parts)


def _number(language: Language, count: int, unit: tuple[str, str]) -> str:
    word = unit[_PLACE[language]]
    plural = "" if count == 1 or word.endswith("s") else "s"
    return f"{count} {word}{plural}"


def regions(names: Iterable[str | None]) -> str:
    """Region codes as records write them: `GB, EU`."""
    return ", ".join(sorted("?" if each is None else each.upper() for each in names))
