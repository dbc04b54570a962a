"""A client as the bank's own systems know one, and the features that models take.

Training took its columns from the data set, whose codes are numbers; whoever calls at run
time has words and monthly statements. What lies between the two is feature extraction,
written once, here: a caller never fills a tensor.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lockgate.demo import data

SEXES: Final = ("male", "female")
EDUCATIONS: Final = (
    "unknown",
    "graduate school",
    "university",
    "high school",
    "others",
    "unknown 5",
    "unknown 6",
)
MARRIAGES: Final = ("unknown", "married", "single", "others")
MONTHS: Final = ("2005-09", "2005-08", "2005-07", "2005-06", "2005-05", "2005-04")
"""As the data set orders them: the newest first."""

Client = dict[str, Any]


class NoClient(ValueError):
    """It is not a client as the bank's systems know one. The message names the field."""


def describe(row: NDArray[np.float32]) -> Client:
    """Say in the bank's own words what a row of the data set holds (shape 23)."""
    of = dict(zip(data.feature_names(), (float(value) for value in row), strict=True))
    repayment = ("pay_0", "pay_2", "pay_3", "pay_4", "pay_5", "pay_6")
    return {
        "limit": of["limit_bal"],
        "sex": SEXES[int(of["sex"]) - 1],
        "education": EDUCATIONS[int(of["education"])],
        "marriage": MARRIAGES[int(of["marriage"])],
        "age": int(of["age"]),
        "statements": [
            {
                "month": month,
                "months_late": int(of[repayment[i]]),
                "billed": of[f"bill_amt{i + 1}"],
                "paid": of[f"pay_amt{i + 1}"],
            }
            for i, month in enumerate(MONTHS)
        ],
    }


def extract(client: Client) -> list[float]:
    """Make the 23 features of a client, in the order models take them.

    Raises:
        NoClient: a field is missing, or holds what the training never saw.
    """
    try:
        statements = {each["month"]: each for each in client["statements"]}
        in_order = [statements[month] for month in MONTHS]
        return [
            float(client["limit"]),
            float(_place("sex", SEXES, client) + 1),
            float(_place("education", EDUCATIONS, client)),
            float(_place("marriage", MARRIAGES, client)),
            float(client["age"]),
            *(float(each["months_late"]) for each in in_order),
            *(float(each["billed"]) for each in in_order),
            *(float(each["paid"]) for each in in_order),
        ]
    except KeyError as error:
        message = f"a client has {error.args[0]!r}, and this one has not"
        raise NoClient(message) from None
    except (TypeError, ValueError) as error:
        raise NoClient(str(error)) from None


def _place(field: str, known: tuple[str, ...], client: Client) -> int:
    if client[field] not in known:
        message = f"{field} is {client[field]!r}, which the training never saw"
        raise NoClient(message)
    return known.index(client[field])
