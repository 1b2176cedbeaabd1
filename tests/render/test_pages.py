"""Every page of HTML is made by one environment, which escapes and leaves nothing unsaid."""

import jinja2
import pytest
from markupsafe import Markup

from oodrop.reports.render.pages import TEMPLATES, page_environment


def test_what_leaves_a_template_is_escaped_and_visible():
    template = page_environment().from_string("{{ text }} {{ drawing }}")
    shown = template.render(text="<b>\u202e\x1b</b>", drawing=Markup("<svg></svg>"))
    assert shown == "&lt;b&gt;\u27e8U+202E\u27e9\u27e8ESC\u27e9&lt;/b&gt; <svg></svg>"


def test_a_name_that_was_not_given_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="'nothing' is undefined"):
        page_environment().from_string("{{ nothing }}").render()


def test_a_folder_of_ones_own_comes_before_the_shared_templates(tmp_path):
    (tmp_path / "page.html").write_text("{% include 'report.css' %}")
    shared = page_environment(tmp_path).get_template("page.html").render()
    assert shared == (TEMPLATES / "report.css").read_text("utf-8")
    (tmp_path / "report.css").write_text("mine")
    assert page_environment(tmp_path).get_template("page.html").render() == "mine"
