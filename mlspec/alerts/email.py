"""E-mail."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlspec.alerts._alert import Alert
from mlspec.fields import Many
from mlspec.secret import Secret


class Email(Alert):
    """A mail to one or more people."""

    kind: Literal["email"] = "email"
    to: Annotated[tuple[str, ...], Many()] = Field(description="The addresses.", min_length=1)
    server: Secret = Field(description="The mail server with its credentials, as a reference to a secret.")


MEMBER = Email
