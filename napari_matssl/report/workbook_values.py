"""Values of formulas in a workbook, for programs that read without computing."""

import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_FORMULA: Final = re.compile(r'(<c r="([A-Z]+[0-9]+)"[^>]*><f>[^<]*</f>)<v\s*/?>(?:</v>)?')


def fill_in_values(path: Path, values: Mapping[int, Mapping[str, float]]) -> None:
    """Write the values of formulas beside them, which openpyxl leaves blank.

    Spreadsheets compute them when they open the file; previews, pandas and others show what stands
    there.

    Parameters
    ----------
    path
        The workbook, which is replaced.
    values
        By the number of the sheet, from 1, and by the name of the cell.
    """
    filled = path.with_name(f"{path.name}.filled")
    with (
        zipfile.ZipFile(path) as before,
        zipfile.ZipFile(filled, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for entry in before.infolist():
            data = before.read(entry)
            found = re.fullmatch(r"xl/worksheets/sheet(\d+)\.xml", entry.filename)
            if found and (known := values.get(int(found[1]))):
                data = _with_values(data.decode("utf-8"), known).encode("utf-8")
            after.writestr(entry, data)
    shutil.move(filled, path)


def _with_values(xml: str, values: Mapping[str, float]) -> str:
    def fill(found: re.Match[str]) -> str:
        return f"{found[1]}<v>{values[found[2]]!r}</v>" if found[2] in values else found[0]

    return _FORMULA.sub(fill, xml)
