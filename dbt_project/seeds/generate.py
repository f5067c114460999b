"""Write the seeds of a believable, messy CRM: the same bytes every time.

Run `python dbt_project/seeds/generate.py` after a change and commit the CSV files.
"""

import csv
import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

CONTACTS = 3_400
SEED = 20260101

_FIRST = ["Priya", "Arjun", "Aisha", "Rahul", "Meera", "John", "Olivia", "Omar", "Wei", "Fatima",
          "प्रिया", "अर्जुन", "मीरा", "Zoë", "José", "Lukas", "O'Neil"]
_LAST = ["Sharma", "Patel", "Khan", "Iyer", "Smith", "Jones", "Tan", "Al Maktoum", "शर्मा", "पटेल",
         "García", "Müller", "Singh 🙂", 'Rao "Raj"', "D'Souza, Jr."]
_CITIES = {
    "IN": ["Mumbai", "Pune", "नई दिल्ली", "Bengaluru", "Chennai, TN"],
    "US": ["Austin, TX", "San Francisco", "New York"],
    "GB": ["London", "Leeds"],
    "AE": ["Dubai", "Abu Dhabi"],
    "SG": ["Singapore"],
    "DE": ["München", "Berlin"],
}
_COUNTRIES = ["IN"] * 62 + ["US"] * 12 + ["GB"] * 9 + ["AE"] * 7 + ["SG"] * 6 + ["DE"] * 4
_CALLING = {"IN": "91", "US": "1", "GB": "44", "AE": "971", "SG": "65", "DE": "49"}
_PRODUCTS = ["home_loan"] * 6 + ["credit_card"] * 2 + ["insurance"] * 2


def national_number(country: str, dice: random.Random) -> str:
    """A national number of the country's mobile plan, without its trunk prefix."""
    tail = f"{dice.randrange(10**7):07d}"
    if country == "IN":
        return f"{dice.choice(['98', '97', '99', '88', '70', '63'])}{dice.randrange(10)}{tail}"
    if country == "US":
        area = dice.choice(["415", "512", "646", "206"])
        return f"{area}{dice.randrange(2, 10)}{dice.randrange(10**6):06d}"
    if country == "GB":
        return f"7{dice.choice(['4', '7', '8'])}{dice.randrange(10)}{tail}"
    if country == "AE":
        return f"{dice.choice(['50', '52', '55'])}{tail}"
    if country == "SG":
        return f"{dice.choice(['8', '9'])}{dice.randrange(1, 8)}{dice.randrange(10**6):06d}"
    return f"15{dice.choice(['1', '2'])}{dice.randrange(10)}{tail}"


def spell(country: str, national: str, dice: random.Random) -> str:
    """One of the ways in which people write a number, damage included."""
    code = _CALLING[country]
    trunk = "" if country in {"US", "SG"} else "0"
    roll = dice.random()
    if roll < 0.40:
        return f"+{code}{national}"
    if roll < 0.52:
        return f"+{code} {national[:5]} {national[5:]}"
    if roll < 0.64:
        return national
    if roll < 0.72:
        return f"{trunk}{national[:3]}-{national[3:6]}-{national[6:]}"
    if roll < 0.78:
        return f"({trunk}{national[:3]}) {national[3:]}"
    if roll < 0.82:
        return f"{national}.0"
    if roll < 0.85:
        return f"'{national}"
    if roll < 0.88:
        return f"00{code}{national}"
    return _damage(code, national, roll)


def _damage(code: str, national: str, roll: float) -> str:
    if roll < 0.90:
        return ""
    if roll < 0.915:
        return f"{int(national) / 10 ** (len(national) - 1):.2f}E+{len(national) - 1:02d}"
    if roll < 0.93:
        return f"+{code}{national} ext 12"
    if roll < 0.945:
        return "call after six"
    if roll < 0.955:
        return "1-800-FLOWERS"
    if roll < 0.975:
        return national[:6]
    if roll < 0.985:
        return f"+{code}{national}{national}"
    return f"+{code} {national} / +{code} {national}"


def main(folder: Path) -> None:
    """Write the three seed files into `folder`."""
    dice = random.Random(SEED)
    contacts: list[list[str]] = []
    products: list[list[str]] = []
    opt_ins: list[list[str]] = []
    known: list[tuple[str, str]] = []
    start = datetime(2026, 1, 1, 4, 30)
    for number in range(1, CONTACTS + 1):
        key = f"C{number:05d}"
        if known and dice.random() < 0.08:
            country, national = dice.choice(known)
        else:
            country = dice.choice(_COUNTRIES)
            national = national_number(country, dice)
            known.append((country, national))
        name = f"{dice.choice(_FIRST)} {dice.choice(_LAST)}"
        if dice.random() < 0.02:
            name = dice.choice(["", "  "])
        elif dice.random() < 0.01:
            name = name.replace(" ", "\n", 1)
        moment = start + timedelta(minutes=dice.randrange(300 * 24 * 60))
        shown = country if dice.random() < 0.95 else dice.choice(["", country.lower(), "XX"])
        contacts.append(
            [
                key,
                name,
                spell(country, national, dice),
                shown,
                dice.choice(_CITIES[country]),
                moment.strftime("%Y-%m-%d %H:%M:%S"),
            ]
        )
        product = dice.choice(_PRODUCTS) if dice.random() > 0.01 else ""
        products.append([key, product, str(dice.randrange(5, 500) * 10_000)])
        opt_ins.append([key, "false" if dice.random() < 0.1 else "true"])
    columns = ["contact_id", "full_name", "mobile", "country_code", "city", "updated_at"]
    _write(folder / "crm_contacts.csv", columns, contacts)
    _write(folder / "crm_products.csv", ["contact_id", "product", "amount"], products)
    _write(folder / "crm_opt_ins.csv", ["contact_id", "opted_in"], opt_ins)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(__file__).parent)
