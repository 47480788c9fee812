"""What a field of a method, a stage or a part of it takes, and how one that does not take it says so."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from xreason.tasks.errors import UserError
from xreason.tasks.names import unknown


def _read_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a truth value is no number")
    return float(value) if isinstance(value, str) else value


def _one_or_more(names: Any) -> Any:
    return (names,) if isinstance(names, str) else names


def _different(layers: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(layers)) < len(layers):
        raise ValueError("a layer is named twice")
    return layers


# A description ends the sentence that refuses another value: "give ...".
Number = BeforeValidator(_read_number)
Positive = Annotated[float, Field(gt=0, description="a number above 0"), Number]
Whole = Annotated[int, Field(gt=0, description="a whole number from 1"), Number]
WholeOrNone = Annotated[Whole | None, Field(description="a whole number from 1")]
BelowOne = Annotated[float, Field(ge=0, lt=1, description="a number from 0 to less than 1, such as 0.1"), Number]
Name = Annotated[str, Field(min_length=1, description="a name")]
Layers = Annotated[tuple[Annotated[int, Field(ge=0), Number], ...], Field(min_length=1), AfterValidator(_different)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_one_or_more)]

CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Checked:
    """Raises one UserError, of one sentence and what to give instead, for a value that a field does not take."""

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_in_words(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            known = cls.__pydantic_fields__  # type: ignore[attr-defined]  # pydantic's decorator adds it
            if isinstance(values, ArgsKwargs):
                values = dict(zip(known, values.args, strict=False)) | (values.kwargs or {})
            place = next(iter(error.errors()[0]["loc"]), None)
            setting = list(known)[place] if isinstance(place, int) and place < len(known) else place
            if not isinstance(setting, str):
                raise
            if setting not in known:
                raise unknown(f"setting of {cls.__name__}", setting, known) from error
            where = f" in {cls.__name__.lower()} {values['name']!r}" if "name" in values else ""
            wrong = f"{setting}={values[setting]!r} is not possible" if setting in values else f"`{setting}` is missing"
            raise UserError(f"{wrong}{where}; give {known[setting].description or 'text'}.") from error
