"""Streams that are full or absent, text that isn't markup."""

import io

import pytest

from napari_matssl.errors import OutputError
from napari_matssl.printing import Outlet, console, print_line


class Stream(io.StringIO):
    def __init__(self, error):
        super().__init__()
        self.error = error
        self.name = "<stdout>"

    def write(self, text):
        raise self.error


def test_a_stream_without_room_is_an_error():
    with pytest.raises(OutputError, match="<stdout>: No space left"):
        Outlet(Stream(OSError(28, "No space left on device"))).write("x")


def test_a_program_without_streams_prints_nothing():
    Outlet(None).write("x")
    Outlet(None).flush()


def test_words_of_users_are_no_markup(capsys):
    console().print("[bcc] ferrite :smile: [/]")
    assert capsys.readouterr().out.strip() == "[bcc] ferrite :smile: [/]"


def test_a_line_goes_to_standard_output(capsys):
    print_line("hello")
    assert capsys.readouterr().out == "hello\n"
