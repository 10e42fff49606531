"""The JSON Schema of a space file, which editors check and complete against."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from spaces.dimensions import Fixed
from spaces.objectives import OBJECTIVES
from spaces.schema import Space


class _Generator(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        """Show the default of a parameter as a file would say it."""
        return super().encode_default(dft.value if isinstance(dft, Fixed) else dft)


def space_json_schema() -> dict[str, Any]:
    """Return the schema; ``spaces/space.schema.json`` is a copy of it."""
    schema = Space.model_json_schema(schema_generator=_Generator)
    constraints = schema["properties"]["constraints"]
    # Named, so that an editor completes them; any other name may be the workload's or an engine's.
    constraints["properties"] = dict.fromkeys(OBJECTIVES, constraints["additionalProperties"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Space file",
    }
