"""Which columns may be uploaded as dynamic variables."""

from collections.abc import Mapping

from dialnexa_pipeline.errors import ConfigError

# Injected by DialNexa itself, so a column of that name would be lost.
RESERVED_VARIABLES = ("caller_number", "call_id", "agent_id", "agent_name")
MAX_COLUMNS = 15


def validate_variables(variables: Mapping[str, str], ref_column: str | None) -> None:
    """Refuse headers that DialNexa would misread.

    Raises:
        ConfigError: blank, reserved, colliding or too many headers; the sentence names them.
    """
    headers = [*variables, *([ref_column] if ref_column is not None else [])]
    if len(headers) > MAX_COLUMNS:
        raise ConfigError(
            f"variables: {len(headers)} columns would be uploaded (the correlation column "
            f"included), and DialNexa takes {MAX_COLUMNS}; leave some out."
        )
    seen: dict[str, str] = {"phone_number": "phone_number"}
    for header in headers:
        if not header.strip() or header != header.strip():
            raise ConfigError(
                f"variables: the header {header!r} is blank or has blanks around it; name it "
                "plainly."
            )
        if header.casefold() in RESERVED_VARIABLES:
            raise ConfigError(
                f"variables: {header!r} is reserved by DialNexa "
                f"({', '.join(RESERVED_VARIABLES)}); choose another header."
            )
        earlier = seen.get(header.casefold())
        if earlier is not None:
            raise ConfigError(
                f"variables: the header {header!r} would collide with {earlier!r}; choose another."
            )
        seen[header.casefold()] = header
