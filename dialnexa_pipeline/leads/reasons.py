"""Outcomes and reason codes, each with a sentence that says how to mend the row."""

from collections.abc import Mapping
from types import MappingProxyType

OUTCOMES = (
    "enrolled",
    "invalid",
    "duplicate",
    "suppressed",
    "deferred",
    "rejected",
    "in_doubt",
    "planned",
)

_SENTENCES = {
    "invalid/blank": "The phone is blank; fill it in at the source.",
    "invalid/no_country": (
        "A national number without a country; add a country column, default_country or a + prefix."
    ),
    "invalid/unknown_country": (
        "The country is not a two-letter ISO code with phone numbers; write for example IN."
    ),
    "invalid/scientific_notation": (
        "A spreadsheet rounded the number (9.87E+09); digits are lost, enter it again as text."
    ),
    "invalid/formula": "A spreadsheet formula instead of a number; export the value as text.",
    "invalid/letters": "The number has letters in it; write it in digits.",
    "invalid/extension": "An extension cannot be dialled by the agent; give a direct number.",
    "invalid/not_a_number": "This is not a phone number; enter one in this column.",
    "invalid/too_short": "Digits are missing; write the whole number, with its area code.",
    "invalid/too_long": "There are too many digits, or two numbers in one cell; leave one number.",
    "invalid/invalid_number": (
        "No such number exists in the country's numbering plan; check its digits and its country."
    ),
    "invalid/unwanted_type": (
        "The number's type (a landline, say) is not among the sync's phone_types; give another "
        "number, or add the type there."
    ),
    "invalid/blank_variable": (
        "A required variable is blank, and the agent would speak its name aloud; fill it in."
    ),
    "invalid/blank_workflow": (
        "The workflow column is blank, so the lead belongs nowhere; fill it in."
    ),
    "invalid/unfit_workflow": (
        "The workflow column holds no id of a workflow: it has more than 180 characters, or is "
        "only dots; write the id that DialNexa shows."
    ),
    "invalid/too_large": (
        "The row alone is larger than a file may be; shorten its longest variable, or raise "
        "batch.max_bytes if DialNexa takes larger files."
    ),
    "invalid/unsupported_destination_country": (
        "The country is not enabled in DialNexa's Telephony Config, and the sync says preflight: "
        "enforce; enable it there."
    ),
    "invalid/unsupported_prefix": (
        "The number's prefix is not enabled in DialNexa's Telephony Config, and the sync says "
        "preflight: enforce; enable it there."
    ),
    "duplicate/already_enrolled": "This very lead is enrolled already; nothing is to be mended.",
    "duplicate/same_number": (
        "Another lead with the same number holds the claim in this workflow; nothing is to be "
        "mended, unless one of the two has a wrong number."
    ),
    "suppressed/withdrawn": "This number was withdrawn from the workflow and is not called again.",
    "suppressed/erased": "This person asked to be erased; only a keyed hash of the number is kept.",
    "rejected/invalid_phone_number": "DialNexa calls the number invalid; check it.",
    "rejected/unsupported_destination_country": (
        "The destination country is not enabled in DialNexa's Telephony Config; enable it there."
    ),
    "rejected/unsupported_prefix": (
        "The number's prefix is not enabled in DialNexa's Telephony Config; enable it there."
    ),
    "rejected/no_enabled_countries": (
        "DialNexa's workspace has no enabled country; enable one in its Telephony Config."
    ),
    "rejected/refused": "DialNexa refused the row; do what its sentence, in detail, says.",
    "rejected/unattributed": (
        "DialNexa refused a file that held only this row, naming no reason; check its number and "
        "variables."
    ),
    "rejected/unresolved": (
        "DialNexa refused the file without naming rows, and the request budget ended; the next run "
        "that reads the row tries again."
    ),
    "in_doubt/no_answer": "Sent, and the answer is unknown; reconcile settles it, nobody re-sends.",
    "in_doubt/partial_answer": "DialNexa's answer does not account for this row; reconcile will.",
    "in_doubt/held": (
        "DialNexa's lists lack it, and the sync holds such rows; `dialnexa reconcile --release`."
    ),
    "in_doubt/withdrawn_if_absent": (
        "Sent, and the answer is unknown; it was withdrawn meanwhile, and is not called if "
        "DialNexa never received it. After reconciling, withdraw it again if it is enrolled."
    ),
    "in_doubt/earlier_run": "An earlier run sent this lead and its answer is still unknown.",
    "planned/not_sent": (
        "Planned, and not sent yet; materialising `enrolments`, of its own partition, sends it."
    ),
    "planned/other_run": "Another run of this sync holds the lead in a batch not sent yet.",
    "planned/not_received": (
        "DialNexa never received it; the next run of its own partition plans it again, and "
        "`dialnexa status` names the command."
    ),
    "planned/call_refused": "DialNexa refused the call, not the row; mend the cause and run again.",
    "enrolled": "Enrolled in the workflow.",
}

REASONS: Mapping[str, str] = MappingProxyType(_SENTENCES)
