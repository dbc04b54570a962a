from lockgate.demo.browser import read_forms

PAGE = """
<form method="post" action="/sign-out/"><input type="hidden" name="csrf" value="t1">
<button>Out</button></form>
<form class="form" method="POST" action="/promotions/7/sign/#signing">
<input type="hidden" name="csrf" value="t2"><input type="hidden" name="content_hash" value="ab12">
<input type="radio" name="meaning" value="review">
<input type="radio" name="meaning" value="approval" checked>
<input type="checkbox" name="sure"><input type="submit" name="later" value="Later">
<textarea name="comment">a &lt; b</textarea><input type="password" name="password">
<button name="decision" value="approve">Approve</button>
<button name="decision" value="reject">Reject</button>
</form>
<input name="outside" value="x">
"""


def test_a_form_holds_what_it_would_send_untouched():
    _, form = read_forms(PAGE)

    assert (form.method, form.action) == ("post", "/promotions/7/sign/#signing")
    assert form.fields == {
        "csrf": "t2",
        "content_hash": "ab12",
        "meaning": "approval",
        "comment": "a < b",
        "password": "",
    }


def test_a_form_names_all_it_can_send():
    signs_out, form = read_forms(PAGE)

    assert signs_out.names == {"csrf"}
    assert form.names == form.fields.keys() | {"sure", "later", "decision"}
