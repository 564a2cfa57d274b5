"""Checksums of page and workbook: what is changed is found, what a program stores anew isn't."""

import re
import shutil

import pytest
from openpyxl import load_workbook
from report_parts import run_command

from napari_matssl.errors import InputError
from napari_matssl.report.page_seal import check_page
from napari_matssl.report.seal import State
from napari_matssl.report.workbook_seal import check_workbook
from napari_matssl.tasks.verify_report import verify_report


def changed(findings):
    return [one.name for one in findings if one.state is not State.UNCHANGED]


def of_page(html):
    return changed(check_page(html, "report.html")[1])


def test_nothing_is_changed_in_a_report_as_it_was_written(reported):
    for name in ("report.html", "report.xlsx"):
        assert changed(verify_report(reported.out / name).findings) == []


def test_the_checksum_is_printed_on_the_page(reported):
    checksum = verify_report(reported.out / "report.html").checksum
    printed = re.search(r'class="checksum">([0-9a-f ]+)<', reported.html)[1]
    assert printed.replace(" ", "") == checksum


@pytest.mark.parametrize(
    ("pattern", "by", "part"),
    [
        (r'(<td class="n" data-csv="[^"]*">)\d\d\.', r"\g<1>99.", "Area fractions"),
        (r'<tr><td class="key" data-csv="[^"]*b&lt;.*?</tr>', "", "Area fractions per field"),
        (r"Orientation of the section", "Orientation", "Specimen"),
        (r"Methods</h2>", "Method</h2>", "Methods"),
        (r'<circle cx="\d+', '<circle cx="300', "Area fractions"),
        (r"base64,/9j/4A", "base64,/9j/4B", "Pictures"),
        (r'data-sha256="[0-9a-f]{8}', 'data-sha256="00000000', "Files"),
        (r"td\.n \{", "td.n { display: none;", "rest of the page"),
        (r"</header>", "</header><p>Approved.</p>", "rest of the page"),
        (r'class="checksum">[0-9a-f]{8}', 'class="checksum">00000000', "checksums"),
    ],
)
def test_a_change_is_found_in_its_part(reported, pattern, by, part):
    html, count = re.subn(pattern, by, reported.html, count=1, flags=re.DOTALL)
    assert count == 1
    assert of_page(html) == [part]


def test_a_part_that_was_added_twice_or_removed_is_found(reported):
    limits = re.search(r'<section data-part="Limits">.*?</section>', reported.html, re.DOTALL)[0]
    assert "Limits" in of_page(reported.html.replace(limits, ""))
    assert "Limits" in of_page(reported.html.replace(limits, limits * 2))
    extra = '<section data-part="Approval"><p>Approved.</p></section>'
    assert "Approval" in of_page(reported.html.replace("</header>", f"</header>{extra}"))


def test_a_changed_table_with_its_own_checksum_put_right_still_has_another_whole(reported):
    """Whoever changes part and list has to change the checksum, which stands on a signed sheet."""
    before = check_page(reported.html, "")[0]
    html = reported.html.replace("Methods</h2>", "Method</h2>")
    assert check_page(html, "")[0] != before


def test_line_ends_blanks_and_quotes_of_html_dont_count(reported):
    html = reported.html.replace("\n", "\r\n").replace("<tbody>", "<tbody>\n\n  ")
    html = html.replace("<br>", "<br/>").replace('class="note"', "class='note'")
    assert of_page(html) == []


def test_a_page_without_checksums_is_refused_in_one_line(tmp_path):
    path = tmp_path / "other.html"
    path.write_text("<p>hello</p>")
    with pytest.raises(InputError, match="has no checksums"):
        verify_report(path)


def test_a_workbook_that_a_spreadsheet_saved_anew_is_the_same(reported, tmp_path):
    book = load_workbook(reported.out / "report.xlsx")
    book["Objects"].column_dimensions["A"].width = 50
    book.save(tmp_path / "again.xlsx")
    assert changed(check_workbook(tmp_path / "again.xlsx")[1]) == []


@pytest.mark.parametrize(
    ("sheet", "cell", "value"),
    [("Area fractions by field", "E2", 12.5), ("Objects", "E2", 7), ("Report", "B2", "other")],
)
def test_a_changed_cell_of_a_workbook_is_found_in_its_sheet(reported, tmp_path, sheet, cell, value):
    book = load_workbook(reported.out / "report.xlsx")
    book[sheet][cell] = value
    book.save(tmp_path / "changed.xlsx")
    assert changed(check_workbook(tmp_path / "changed.xlsx")[1]) == [sheet]


def test_what_is_no_workbook_is_refused_in_one_line(tmp_path):
    path = tmp_path / "report.xlsx"
    path.write_bytes(b"no zip")
    with pytest.raises(InputError, match="no readable workbook"):
        verify_report(path)


def test_a_pdf_is_refused_with_what_to_do_instead(tmp_path):
    (tmp_path / "report.pdf").write_bytes(b"%PDF-")
    with pytest.raises(InputError, match="compare the checksum"):
        verify_report(tmp_path / "report.pdf")


@pytest.fixture
def copied(reported, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(reported.folder, folder)
    return folder


def test_verify_ends_with_0_where_nothing_was_changed(copied, capsys):
    assert run_command("verify", copied / "out" / "report.html") == 0
    out = capsys.readouterr().out
    assert "Area fractions: unchanged" in out
    assert "mask: 4 unchanged" in out
    assert out.strip().endswith("Nothing was changed.")


def test_verify_names_a_changed_table_and_mask_and_ends_with_1(copied, capsys):
    table = copied / "out" / "summary.csv"
    table.write_text(table.read_text("utf-8").replace("graphite", "oxide"), "utf-8")
    (copied / "masks" / "c_mask.png").write_bytes(b"other")
    assert run_command("verify", copied / "out" / "report.html") == 1
    out, err = capsys.readouterr()
    assert "changed: summary.csv" in out
    assert "mask: 3 unchanged; changed: c_mask.png" in out
    assert "Something was changed" in err
    assert run_command("verify", copied / "out" / "report.xlsx") == 1


def test_verify_ends_with_3_where_files_arent_found_unless_their_folder_is_given(copied, capsys):
    moved = copied / "elsewhere"
    (copied / "masks").rename(moved)
    assert run_command("verify", copied / "out" / "report.html") == 3
    assert "not found: a_mask.png" in capsys.readouterr().out
    assert run_command("verify", copied / "out" / "report.html", "--masks", moved) == 0


def test_verify_of_no_file_is_an_error_in_one_line(tmp_path, capsys):
    assert run_command("verify", tmp_path / "report.html") == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
