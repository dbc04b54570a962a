"""What is written straight looks exactly as its template says."""

from django.template.loader import render_to_string
from django.utils import timezone

from governance.models import Environment
from promotion.selectors.matrix import matrix
from promotion.templatetags.cells import is_quiet, matrix_cell


def test_a_quiet_cell_is_what_its_template_says(waiting, world):
    qa = world.environment("qa", "qa")
    world.agent("qa-1", "qa")
    model = waiting.model
    world.champion(model.versions.get(number=1), "qa")
    found = matrix([qa, Environment.objects.get(slug="prod-eu")], now=timezone.now())
    [row] = found.rows
    quiet, busy = row.cells

    assert (is_quiet(quiet), is_quiet(busy)) == (True, False)
    for cell in (quiet, busy):
        expected = render_to_string("components/cell.html", {"cell": cell, "model": row.model})
        assert matrix_cell(cell, row.model).strip() == expected.strip()
