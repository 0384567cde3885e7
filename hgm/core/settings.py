"""What a section of the configuration is made of: typed values with bounds and a description."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

Count = Annotated[int, Field(ge=1)]


FileName = Annotated[str, Field(pattern=r"\S")]


class Section(BaseModel):
    """No unknown keys, no silent conversion of text to numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _something_or_null(cls, value: Any, info: ValidationInfo) -> Any:
        """An empty name of a file would be read as the working folder."""
        if (
            isinstance(value, str)
            and not value.strip()
            and cls.model_fields[str(info.field_name)].annotation == (str | None)
        ):
            raise ValueError("is empty; null stands for none")
        return value


def described(default: Any, text: str, **limits: Any) -> Any:
    return Field(default, description=text, **limits)
