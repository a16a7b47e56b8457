"""What every section of the settings is made of: its base, and kinds of numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A section of the settings; what it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
