"""How every mapping of a space file is checked."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A mapping with known keys: typed strictly, frozen, and nothing unknown in it."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, raw: object) -> object:
        """Treat a key with nothing behind it, as where all is commented out, as left out."""
        if not isinstance(raw, dict):
            return raw
        return {key: value for key, value in raw.items() if value is not None}
