"""Rules about personal data: which columns are personal, how long they are kept, where they lie and who sees them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlspec.diagnostic import Change, Fix, Route
from mlspec.regex import lazy
from mlspec.rules._case import Case
from mlspec.rules._columns import seen
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule

WHOSE = (
    r"(?:(?:customer|client|user|member|patient|person|personal|people|employee|applicant|contact|home|work|billing|shipping"
    r"|private|primary|mobile|cell|owner|holder|account|student|guest|cust|usr|emp)_)*"
)
PERSONAL = lazy(
    WHOSE
    + r"(?:(?P<email>e_?mails?(?:_?addr(?:ess)?)?)"
    r"|(?P<phone>(?:tele)?phone(?:_?(?:number|no|nr|num))?|(?:tele|mobile|cell|fax)_?(?:phone|number|no|nr)|msisdn)"
    r"|(?P<name>(?:first|last|full|given|family|middle|maiden)_?names?|surname|forename|(?:customer|client|user|patient|person|employee|applicant|contact|student|guest|holder|owner|member)_?name)"
    r"|(?P<birth>birth_?(?:date|day|dt)|date_?of_?birth|dob)"
    r"|(?P<document>ssn|social_?security(?:_?(?:number|no|nr|num))?|passport(?:_?(?:number|no|nr|id))?|national_?id(?:entifier)?|tax_?id|nino|driver_?s?_?licen[cs]e(?:_?(?:number|no))?|licen[cs]e_?plate|number_?plate)"
    r"|(?P<account>iban|bank_?account(?:_?(?:number|no|nr))?|(?:credit|debit)_?card(?:_?(?:number|no|nr))?|card_?(?:number|no|nr)|pan_number)"
    r"|(?P<address>street(?:_?(?:name|address|addr|1|2))?|(?:home|postal|mailing|street|billing|shipping|residential)_?addr(?:ess)?(?:_?(?:1|2|line_?1|line_?2))?|(?:customer|client|user|patient|employee|contact)_?addr(?:ess)?)"
    r"|(?P<device>(?:client_|remote_|source_|user_)?ip(?:v[46])?(?:_?addr(?:ess)?)?|mac_?addr(?:ess)?|imei|imsi|advertising_?id|device_?fingerprint))"
)  # fmt: skip
"""Names of columns that hold personal data and hardly anything else, in snake case."""

SORTS = {
    "email": "an e-mail address",
    "phone": "a telephone number",
    "name": "a person's name",
    "birth": "a date of birth",
    "document": "the number of an official document",
    "account": "an account or card number",
    "address": "a postal address",
    "device": "the address of a device",
}
SENSITIVE = lazy(
    r"(?:(?:customer|applicant|patient|user|person|employee|self_reported)_)?"
    r"(?:gender|sex|race|ethnicity|ethnic_?(?:group|origin)|religion|religious_?belief|faith|nationality|national_?origin|citizenship"
    r"|disability|disabled|is_disabled|sexual_?orientation|marital_?status|pregnan(?:t|cy)|is_pregnant|political_?(?:party|opinion|view|affiliation)"
    r"|(?:trade_?)?union_?member(?:ship)?|caste|skin_?colou?r)(?:_?(?:code|group|category))?"
)  # fmt: skip
"""Names of columns by which people must not be treated differently."""

HEALTH = lazy(
    r"(?:.*_)?(?:diagnos[ie]s|icd_?(?:9|10|11)?(?:_code)?|patient_?(?:id|number|no)|medication|prescription|hba1c|blood_?(?:pressure|type|group|glucose|sugar)"
    r"|cholesterol|comorbidit(?:y|ies)|allerg(?:y|ies)|symptoms?|hiv(?:_status)?|mrn|tumou?r(?:_\w+)?|discharge_disposition)"
)  # fmt: skip
DATA_LAWS = frozenset(
    {"gdpr", "ukgdpr", "hipaa", "hitech", "ccpa", "cpra", "lgpd", "pipeda", "coppa", "ferpa", "pcidss", "glba", "fedramp"}
)
PUBLIC_CLOUDS = frozenset({"aws", "gcp", "azure", "ibm", "oracle", "alibaba", "amazon", "google"})
FAR = lazy(
    r"us-(?:gov-)?(?:east|west|central|south|iso\w*).*|(?:east|west|central|northcentral|southcentral|westcentral)us\d?|usgov\w+"
    r"|cn-.*|china\w+|ap-(?:south|southeast|east)-\d|asia-(?:east\d|south\d|southeast\d)|australia\w*(?:-\w+)?|(?:south)?eastasia"
    r"|(?:central|south|west|jio\w*)india\w*|me-(?:south|central)-?\d|af-south-\d|africa-south\d|southafrica\w+|uae\w+|qatar\w+"
    r"|mx-central-\d|northamerica-south\d|mexico\w+|southamerica-west\d"
)  # fmt: skip
"""Regions of AWS, Google Cloud and Azure in countries for all of which no decision of adequacy holds."""


def snake(name: str) -> str:
    """Write a column's name in snake case: ``customerID`` as ``customer_id``, ``Date of Birth`` as ``date_of_birth``."""
    if len(name) > 100:
        return ""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^A-Za-z0-9]+", "_", apart).strip("_").lower()


def laws(case: Case) -> list[tuple[int, str]]:
    """Return the rules on personal data that apply, with their places in `requirements.compliance`."""
    named = enumerate(case.project.requirements.compliance)
    return [(index, name) for index, name in named if re.sub(r"[\W_]+", "", name).lower() in DATA_LAWS]


def personal(case: Case) -> list[str]:
    """Return the columns that are marked as personal data."""
    return [name for name, column in case.columns.items() if column.pii]


def mask(case: Case) -> str:
    """Return what is done with personal columns."""
    data = case.project.data
    return data.privacy.mask if data and data.privacy else "none"


@rule("PRI001", (WARNING, WARNING, ERROR), reads="data task features")
def personal_data_as_feature(case: Case) -> Iterator[Hit]:
    """The model learns from a column that is marked as personal data, and nothing masks it.

    ## Why this is bad
    The model remembers people instead of learning what they have in common, can give them away, and must be deleted with them.

    ## Bad
    ```yaml
    data: {columns: {email: {type: string, pii: true}}, privacy: {mask: none}}
    ```

    ## Good
    ```yaml
    data: {columns: {email: {type: string, pii: true, role: ignore}}, privacy: {mask: drop}}
    ```

    ## Fix safety
    Unsafe: the column is no feature any more, so the model changes.

    ## Source
    The guide, "Data Requirements Assessment: Privacy & Compliance"; GDPR Article 5(1)(c), data minimisation,
    https://eur-lex.europa.eu/eli/reg/2016/679/oj.
    """
    if mask(case) != "none":
        return
    for name in seen(case):
        if case.columns[name].pii:
            route: Route = ("data", "columns", name)
            yield Hit(
                f"`{name}` is personal data, a feature of the model, and not masked",
                (*route, "pii"),
                help="write `role: ignore`, or `data.privacy.mask: drop` (or `hash`)",
                fix=Fix("leave it out of the features", (Change("set", (*route, "role"), "ignore"),), safe=False),
            )


@rule("PRI002", (INFO, WARNING, WARNING), reads="data")
def unmarked_personal_data(case: Case) -> Iterator[Hit]:
    """A column is called like personal data and is not marked as such.

    ## Why this is bad
    Masking, retention and reports go by the mark: without it an address is treated like a price.

    ## Bad
    ```yaml
    data: {columns: {email_address: {type: string, role: ignore}}}
    ```

    ## Good
    ```yaml
    data: {columns: {email_address: {type: string, role: ignore, pii: true}}, privacy: {mask: drop}}
    ```

    ## Fix safety
    Unsafe: the mark switches masking and other checks on.

    ## Source
    The guide, "Data Requirements Assessment: Privacy & Compliance"; GDPR Article 4(1),
    https://eur-lex.europa.eu/eli/reg/2016/679/oj.
    """
    undeclared = [name for name in case.data.columns if name not in case.columns] if case.data else []
    for name in [*case.columns, *undeclared]:
        column = case.columns.get(name)
        if column is not None and (column.pii or column.values is not None or column.type in ("boolean", "number")):
            continue
        if case.written("data", "columns", name, "pii") is False:
            continue  # somebody has looked, and says so
        found = PERSONAL.fullmatch(snake(name))
        if found and found.lastgroup:
            route: Route = ("data", "columns", name) if column is not None else ("data", "columns")
            fix = Fix("mark it as personal", (Change("set", ("data", "columns", name, "pii"), True),), safe=False)
            yield Hit(
                f"`{name}` looks like {SORTS[found.lastgroup]} and is not marked as personal data",
                route,
                on="key",
                help=f"write `{name}: {{pii: true}}`, or `pii: false` if it is none",
                fix=fix,
            )


@rule("PRI003", (INFO, WARNING, WARNING), reads="data task features evaluation")
def sensitive_feature_unchecked(case: Case) -> Iterator[Hit]:
    """The model sees what people must not be judged by, and nothing compares the groups.

    ## Why this is bad
    A difference in treatment that nobody measures is found by those who are treated worse.

    ## Bad
    ```yaml
    data: {columns: {gender: {role: feature, type: category}}}
    evaluation: {fairness: null}
    ```

    ## Good
    ```yaml
    data: {columns: {gender: {role: feature, type: category}}}
    evaluation: {fairness: {sensitive: [gender], max: 0.1}}
    ```

    ## Fix safety
    None: whether to leave the column out or to compare the groups is a decision.

    ## Source
    The guide, "Pre-Deployment Checklist: bias testing across different groups"; GDPR Article 9,
    https://eur-lex.europa.eu/eli/reg/2016/679/oj.
    """
    evaluation = case.project.evaluation
    compared = set(evaluation.fairness.sensitive if evaluation.fairness else ()) | {one.column for one in evaluation.slices}
    grouped = "evaluation.fairness.sensitive" if case.task == "classification" else "evaluation.slices"
    for name in seen(case):
        if name not in compared and SENSITIVE.fullmatch(snake(name)):
            yield Hit(
                f"`{name}` is a feature, and nothing compares how its groups are treated",
                ("data", "columns", name),
                on="key",
                help=f"add it to `{grouped}`, or write `role: ignore`",
            )


@rule("PRI004", (None, WARNING, WARNING), reads="data requirements")
def no_retention(case: Case) -> Iterator[Hit]:
    """Personal data is kept, and nothing says for how long.

    ## Why this is bad
    What has no end date is kept for ever: that is forbidden by most laws on personal data, and makes every leak larger.

    ## Bad
    ```yaml
    data: {privacy: {retention: null}}
    ```

    ## Good
    ```yaml
    data: {privacy: {retention: 2 y}}
    ```

    ## Fix safety
    None: how long is a decision of law and business.

    ## Source
    The guide, "Data Requirements Assessment: Privacy & Compliance"; GDPR Article 5(1)(e), storage limitation,
    https://eur-lex.europa.eu/eli/reg/2016/679/oj.
    """
    data = case.project.data
    if data is None or (data.privacy and data.privacy.retention is not None):
        return
    marked, applying = personal(case), laws(case)
    if not marked and not applying:
        return
    reason = f"`{marked[0]}` is personal data" if marked else f"`{applying[0][1]}` applies"
    because: Route = ("data", "columns", marked[0], "pii") if marked else ("requirements", "compliance", applying[0][0])
    yield Hit(
        f"{reason}, and nothing says how long rows are kept",
        ("data", "privacy") if case.wrote("data", "privacy") else ("data",),
        on="key",
        help="add `privacy: {retention: 2 y}`, with the time that you need the rows for",
        related=(("this is why", because),),
    )


@rule("PRI005", (None, WARNING, WARNING), reads="data requirements")
def no_lawful_basis(case: Case) -> Iterator[Hit]:
    """The GDPR applies, and nothing says why the data may be used.

    ## Why this is bad
    Without one of the six grounds of Article 6 every use of personal data is unlawful, training included.

    ## Bad
    ```yaml
    data: {privacy: {lawful_basis: null}}
    ```

    ## Good
    ```yaml
    data: {privacy: {retention: 2 y, lawful_basis: contract}}
    ```

    ## Fix safety
    None: the ground is a legal decision.

    ## Source
    The guide, "Data Requirements Assessment: GDPR"; GDPR Article 6(1), https://eur-lex.europa.eu/eli/reg/2016/679/oj.
    """
    data = case.project.data
    gdpr = next((index for index, name in laws(case) if "gdpr" in name.lower()), None)
    if data is None or gdpr is None or (data.privacy and data.privacy.lawful_basis is not None):
        return
    yield Hit(
        "the GDPR applies, and nothing says why this data may be used",
        ("data", "privacy") if case.wrote("data", "privacy") else ("data",),
        on="key",
        help="add `privacy: {lawful_basis: contract}`, or whichever of Article 6 it is",
        related=(("the GDPR is named here", ("requirements", "compliance", gdpr)),),
    )


@rule("PRI006", (None, WARNING, WARNING), reads="requirements deployment")
def regulated_data_anywhere(case: Case) -> Iterator[Hit]:
    """Regulated data goes to a public cloud, and nothing says in which region.

    ## Why this is bad
    Without a region the provider's default decides, which is mostly in the United States.

    ## Bad
    ```yaml
    deployment: {environment: cloud, platform: aws, region: null}
    ```

    ## Good
    ```yaml
    deployment: {environment: cloud, platform: aws, region: eu-west-1}
    ```

    ## Fix safety
    None: where data may go is a legal decision.

    ## Source
    The guide, "Deployment Decision Tree: regulatory constraints?" and "Compliance measures".
    """
    deployment, wanted = case.project.deployment, case.project.requirements
    if deployment is None or deployment.environment not in ("cloud", "hybrid") or deployment.region is not None:
        return
    applying = laws(case)
    if deployment.target == "local" or not (applying or wanted.regulation == "strict"):
        return
    reason = f"`{applying[0][1]}` applies" if applying else "`regulation` is strict"
    because: Route = ("requirements", "compliance", applying[0][0]) if applying else ("requirements", "regulation")
    yield Hit(
        f"{reason}, and nothing says in which region of the cloud the data may be",
        ("deployment", "environment") if case.wrote("deployment", "environment") else ("deployment",),
        on="value" if case.wrote("deployment", "environment") else "key",
        help="add `deployment.region`, such as `eu-west-1`; or write `environment: on_premises`",
        related=(("this is why", because),),
    )


@rule("PRI007", (None, INFO, WARNING), reads="requirements deployment")
def strictly_regulated_in_public_cloud(case: Case) -> Iterator[Hit]:
    """Regulation is strict, and the model runs in a public cloud without a legal constraint that is enforced.

    ## Why this is bad
    The guide's answer to regulatory constraints is on-premises, or the cloud with measures: here are no measures.

    ## Bad
    ```yaml
    requirements: {regulation: strict}
    deployment: {environment: cloud, platform: aws}
    ```

    ## Good
    ```yaml
    requirements:
      regulation: strict
      constraints: [{kind: legal, statement: health data stays in the EU, enforced_by: deployment.region}]
    ```

    ## Fix safety
    None: where the model may run is a legal decision.

    ## Source
    The guide, "Deployment Decision Tree: regulatory constraints? Yes: on-premises, compliance measures".
    """
    deployment, wanted = case.project.deployment, case.project.requirements
    if deployment is None or wanted.regulation != "strict" or deployment.environment != "cloud":
        return
    if (deployment.platform or "aws").lower().split("_")[0] not in PUBLIC_CLOUDS:
        return
    if not any(one.kind == "legal" and one.enforced_by for one in wanted.constraints):
        yield Hit(
            f"`regulation: strict`, and the model runs in a public cloud ({deployment.platform or 'no platform named'})",
            ("deployment", "environment") if case.wrote("deployment", "environment") else ("deployment",),
            on="value" if case.wrote("deployment", "environment") else "key",
            help="write `environment: on_premises`, or a constraint of `kind: legal` with `enforced_by`",
            related=(("regulation is said to be strict here", ("requirements", "regulation")),),
        )


@rule("PRI008", (None, WARNING, WARNING), reads="requirements deployment")
def region_outside_the_eu(case: Case) -> Iterator[Hit]:
    """The GDPR applies, and the model runs in a region outside the European Economic Area.

    Regions in countries that the Commission holds to protect data as well (such as Japan or the United Kingdom) are let be. For
    the United States that holds for certified companies only.

    ## Why this is bad
    Each transfer of personal data there needs a legal ground of its own, Chapter V of the GDPR.

    ## Bad
    ```yaml
    requirements: {compliance: [gdpr]}
    deployment: {region: us-east-1}
    ```

    ## Good
    ```yaml
    requirements: {compliance: [gdpr]}
    deployment: {region: eu-west-1}
    ```

    ## Fix safety
    None: where data may go is a legal decision.

    ## Source
    The guide, "Data Requirements Assessment: legal and technical constraints"; GDPR Articles 44 to 46,
    https://eur-lex.europa.eu/eli/reg/2016/679/oj.
    """
    deployment, wanted = case.project.deployment, case.project.requirements
    gdpr = next((index for index, name in laws(case) if name.lower() == "gdpr"), None)
    if deployment is None or gdpr is None or deployment.region is None or not FAR.fullmatch(deployment.region.lower()):
        return
    if any(one.kind == "legal" and one.enforced_by == "deployment.region" for one in wanted.constraints):
        return  # somebody has thought about it, and says so
    yield Hit(
        f"the GDPR applies, and `{deployment.region}` lies outside the European Economic Area",
        ("deployment", "region"),
        help="choose a region such as `eu-west-1`; or name the ground of the transfer in a constraint: "
        "`{kind: legal, statement: …, enforced_by: deployment.region}`",
        related=(("the GDPR is named here", ("requirements", "compliance", gdpr)),),
    )


@rule("PRI009", (INFO, WARNING, WARNING), reads="data evaluation")
def personal_data_in_report(case: Case) -> Iterator[Hit]:
    """The report is divided by a column of personal data.

    ## Why this is bad
    Each value becomes a line of a report that is sent around, and a slice of one person's rows says nothing of the model.

    ## Bad
    ```yaml
    data: {columns: {email: {role: ignore, type: string, pii: true}}}
    evaluation: {slices: [email]}
    ```

    ## Good
    ```yaml
    data: {columns: {email: {role: ignore, type: string, pii: true}}}
    evaluation: {slices: [Contract]}
    ```

    ## Fix safety
    Unsafe: the slice is taken out.

    ## Source
    The guide, "Slice-based Evaluation" and "Data Privacy: access control".
    """
    for index, one in enumerate(case.project.evaluation.slices):
        column = case.columns.get(one.column or "")
        if column is not None and column.pii and one.bins is None:
            yield Hit(
                f"the report would have a line for every value of `{one.column}`, which is personal data",
                ("evaluation", "slices", index),
                help="divide by something that many people share",
                related=(("it is marked as personal here", ("data", "columns", str(one.column), "pii")),),
                fix=Fix("take the slice out", (Change("remove", ("evaluation", "slices", index)),), safe=False),
            )


@rule("PRI010", (None, INFO, WARNING), reads="data monitoring")
def personal_data_logged(case: Case) -> Iterator[Hit]:
    """Requests are logged in another system, with personal data that nothing masks.

    ## Why this is bad
    Logs are kept longer, and read by more people, than the data they hold.

    ## Bad
    ```yaml
    data: {columns: {email: {role: id, type: string, pii: true}}, privacy: {mask: none}}
    monitoring: {logs: splunk}
    ```

    ## Good
    ```yaml
    data: {columns: {email: {role: id, type: string, pii: true}}, privacy: {mask: hash}}
    monitoring: {logs: splunk}
    ```

    ## Fix safety
    Unsafe: columns are hashed everywhere, so the same person is still the same and a value cannot be read.

    ## Source
    The guide, "Tool Ecosystem: Logging" and "Data Privacy: encryption, access control".
    """
    monitoring = case.project.monitoring
    if monitoring is None or monitoring.logs == "json" or mask(case) != "none":
        return
    sent = [name for name in personal(case) if case.columns[name].role in ("feature", "id", "group")]
    if sent:
        yield Hit(
            f"requests go to {monitoring.logs} with {', '.join(f'`{name}`' for name in sent[:3])}: personal data, not masked",
            ("monitoring", "logs"),
            help="write `data.privacy.mask: hash` or `drop`",
            related=(("it is marked as personal here", ("data", "columns", sent[0], "pii")),),
            fix=Fix("hash personal columns", (Change("set", ("data", "privacy", "mask"), "hash"),), safe=False)
            if case.wrote("data", "privacy")
            else None,
        )


@rule("PRI011", (None, INFO, INFO), reads="data requirements")
def health_data_without_rules(case: Case) -> Iterator[Hit]:
    """Columns are about health, and no rules for such data are named.

    ## Why this is bad
    Data on health is specially protected almost everywhere; checks keep quiet until the rules are named.

    ## Bad
    ```yaml
    requirements: {compliance: null, regulation: minimal}
    data: {columns: {blood_pressure: {type: number}}}
    ```

    ## Good
    ```yaml
    requirements: {compliance: [gdpr, hipaa]}
    data: {columns: {blood_pressure: {type: number}}}
    ```

    ## Fix safety
    None: only you know which rules apply.

    ## Source
    The guide, "Data Requirements Assessment: GDPR, HIPAA".
    """
    if laws(case):
        return
    found = [name for name in case.columns if HEALTH.fullmatch(snake(name))]
    if found:
        yield Hit(
            f"{', '.join(f'`{name}`' for name in found[:3])}: this is about health, and no rules for that are named",
            ("data", "columns", found[0]),
            on="key",
            help="add `requirements.compliance`, such as `[hipaa]` or `[gdpr]`",
        )


@rule("PRI012", (None, None, WARNING), reads="data requirements")
def regulated_data_on_a_local_disk(case: Case) -> Iterator[Hit]:
    """Regulated or personal data is kept as files on one machine, in production.

    ## Why this is bad
    Files on a disk have no access control of their own, no log of who read them and mostly no encryption.

    ## Bad
    ```yaml
    data: {storage: {kind: local, url: null, backup: {recovery_point: 1 d, recovery_time: 4 h}}}
    ```

    ## Good
    ```yaml
    data: {storage: {kind: lake, format: parquet, url: "s3://lake/churn"}}
    ```

    ## Fix safety
    None: only you know where it should be kept.

    ## Source
    The guide, "Security: Data Privacy: encryption, access control" and "Storage Options Comparison: local files: small projects,
    development".
    """
    data = case.project.data
    if data is None or data.storage is None or data.storage.kind != "local":
        return
    applying, marked = laws(case), personal(case)
    if applying or marked:
        reason = f"`{applying[0][1]}` applies" if applying else f"`{marked[0]}` is personal data"
        because: Route = ("requirements", "compliance", applying[0][0]) if applying else ("data", "columns", marked[0], "pii")
        written = case.wrote("data", "storage", "kind")
        yield Hit(
            f"{reason}, and the data is kept as files on one machine",
            ("data", "storage", "kind") if written else ("data", "storage"),
            on="value" if written else "key",
            help="write `kind: lake`, `warehouse` or `cloud`, where access is controlled and logged",
            related=(("this is why", because),),
        )


@rule("PRI013", (None, INFO, INFO), reads="data")
def personal_data_kept_in_the_open(case: Case) -> Iterator[Hit]:
    """Personal columns that the model does not need go through the pipeline as they are.

    ## Why this is bad
    Every table that a run leaves behind holds them, and so does every machine that the run used.

    ## Bad
    ```yaml
    data: {columns: {email: {role: ignore, type: string, pii: true}}, privacy: {mask: none}}
    ```

    ## Good
    ```yaml
    data: {columns: {email: {role: ignore, type: string, pii: true}}, privacy: {mask: drop}}
    ```

    ## Fix safety
    Unsafe: `mask: hash` is written; equal values stay equal, and none can be read.

    ## Source
    The guide, "Data Requirements Assessment: Privacy & Compliance"; GDPR Article 5(1)(c), data minimisation,
    https://eur-lex.europa.eu/eli/reg/2016/679/oj.
    """
    idle = [name for name in personal(case) if case.columns[name].role in ("ignore", "id", "group")]
    if idle and mask(case) == "none":
        written = case.wrote("data", "privacy", "mask")
        fix = Fix("hash personal columns", (Change("set", ("data", "privacy", "mask"), "hash"),), safe=False)
        yield Hit(
            f"{', '.join(f'`{name}`' for name in idle[:3])}: personal data that nothing masks, in every table of a run",
            ("data", "privacy", "mask") if written else ("data", "columns", idle[0], "pii"),
            help="write `data.privacy.mask: drop`, or `hash` where it tells rows apart",
            fix=fix if case.wrote("data", "privacy") else None,
        )
