"""What a report says of the specimen: no program can measure it, somebody types it once."""

from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from napari_matssl.errors import one_line

LONGEST: Final = 500
"""Characters that one detail may have."""

MOST_REMARKS: Final = 50
"""Lines of remarks."""


def _line(text: str) -> str:
    return one_line(" ".join(text.split()))


_Line = Annotated[str, Field(max_length=LONGEST), AfterValidator(_line)]


class ReportDetails(BaseModel):
    """What stands at the head of a report; empty where a line is left to be filled by hand.

    Parameters
    ----------
    specimen
        Which one, with material and heat if that is known.
    etchant
        How it was prepared and etched.
    orientation
        Of the section, to the axis of deformation or the surface.
    operator
        Who prepared, imaged and measured.
    remarks
        Lines of any kind.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    specimen: _Line = ""
    etchant: _Line = ""
    orientation: _Line = ""
    operator: _Line = ""
    remarks: tuple[_Line, ...] = Field(default=(), max_length=MOST_REMARKS)

    def over(self, kept: "ReportDetails") -> Self:
        """Return these details, and those that were kept where one is empty."""
        own = {name: value for name, value in self if value}
        return type(self)(**{**dict(kept), **own})

    @property
    def empty(self) -> bool:
        """Whether nothing is there."""
        return self == type(self)()
