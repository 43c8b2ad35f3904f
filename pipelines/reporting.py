"""How answers are given: `[transforms]` in dlt's configuration, or `TRANSFORMS__…` in the environment."""

from __future__ import annotations

from typing import ClassVar

from dlt.common.configuration import configspec
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration

from pipelines.settings import UsageError
from transforms import UnknownTimeZone, time_zones


@configspec
class Reporting(BaseConfiguration):
    """`time_zone`: where days begin and end in tables by the day, a name of the IANA database."""

    __section__: ClassVar[str] = "transforms"

    time_zone: str = time_zones.UTC


def reporting() -> Reporting:
    """Resolve the settings through dlt, and refuse what cannot work.

    Raises:
        UsageError: There is no such time zone, or the settings cannot be read.
    """
    try:
        settings = resolve_configuration(Reporting())
        time_zones.check(settings.time_zone)
    except ConfigurationException as error:
        raise UsageError(f"the settings in [transforms] cannot be read: {' '.join(str(error).split())}") from error
    except UnknownTimeZone as error:
        raise UsageError(f"[transforms] time_zone: {error}.") from error
    return settings
