"""Boxes and lines of lineage: every thing in its column, nothing twice, nothing lost silently."""

from promotion.family import LONGEST, MOST, Box, draw


def test_columns_go_from_left_to_right_and_empty_ones_take_no_room():
    found = draw([Box("c", 9, "child"), Box("p", -4, "parent"), Box("v", 0, "own")], [])
    assert [one.box.key for one in sorted(found.boxes, key=lambda one: one.x)] == ["p", "v", "c"]
    assert found.width > max(one.x for one in found.boxes)


def test_a_line_leads_from_one_box_to_the_other():
    found = draw([Box("a", 0, "a"), Box("b", 1, "b")], [("a", "b", True), ("a", "nowhere", False)])
    [line] = found.lines
    assert line.dashed
    assert line.path.startswith("M178 ")


def test_what_does_not_fit_is_counted_and_its_lines_meet_there():
    boxes = [Box("v", 0, "own"), *(Box(f"c{n}", 1, f"child {n}") for n in range(MOST + 3))]
    found = draw(boxes, [("v", f"c{n}", n > 0) for n in range(MOST + 3)])
    shown = [one.box for one in found.boxes if one.box.column == 1]

    assert len(shown) == MOST
    assert (shown[-1].kind, shown[-1].label) == ("more", "and 4 more")
    assert len(found.lines) == MOST


def test_a_long_name_is_cut_and_told_whole():
    [one] = draw([Box("a", 0, "x" * 100, "note")], []).boxes
    assert len(one.label) == LONGEST
    assert one.title == "x" * 100 + ": note"


def test_nothing_is_drawn_of_nothing():
    assert draw([], []).boxes == ()
