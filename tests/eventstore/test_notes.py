"""Checkpoints are C2SP's notes: what others sign is read here, and what is signed here holds."""

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.notes import BadNote, PublicKey, SigningKey, TreeHead, check, log_id_of, origin_of, read

# The example of Go's golang.org/x/mod/sumdb/note, which the format comes from.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

# A checkpoint of Go's checksum database, and the key that Go ships for it.
SUMDB_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUMDB_NOTE = """go.sum database tree
6476701
mb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=

\u2014 sum.golang.org Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=
"""

ORIGIN = "iam-ledger/1f2e3d4c5b6a7988/123456789012"
KEY = SigningKey(bytes(range(32)))
OTHER_KEY = SigningKey(bytes(32))
HEAD = TreeHead(ORIGIN, 42, bytes.fromhex("5d" * 32))
NOTE = KEY.sign(HEAD)


def test_a_checkpoint_has_the_form_of_a_note() -> None:
    """Three lines, an empty one, and the signature of the key that bears the origin's name."""
    origin, size, root, empty, signature, end = NOTE.split("\n")

    assert (origin, size, b64decode(root), empty, end) == (ORIGIN, "42", HEAD.root, "", "")
    dash, name, encoded = signature.split(" ")
    assert (dash, name) == ("\u2014", ORIGIN)
    assert b64decode(encoded)[:4] == KEY.public(ORIGIN).id
    assert len(b64decode(encoded)) == 4 + 64


def test_the_same_head_is_signed_the_same_for_ever() -> None:
    """The bytes are frozen: auditors keep them, and keys, for years."""
    assert NOTE == (
        "iam-ledger/1f2e3d4c5b6a7988/123456789012\n42\nXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV0=\n\n"
        "\u2014 iam-ledger/1f2e3d4c5b6a7988/123456789012 arf3zPthcys9c45TOV8z8OpN7AI7lqle/9wDg1mG"
        "CjCwqrN8HRCzWRSRM6o5k/a4/LjpNkslS3jEG2t/FmOaYXgK8Qo=\n"
    )
    assert (
        KEY.public(ORIGIN).text
        == "iam-ledger/1f2e3d4c5b6a7988/123456789012+6ab7f7cc+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    )


def test_a_checkpoint_is_read_back_and_holds() -> None:
    """With the key that signed it."""
    assert read(NOTE) == HEAD
    check(NOTE, KEY.public(ORIGIN))


def test_an_origin_names_a_log_and_an_account() -> None:
    """Put together and taken apart again; what is not ours names nothing."""
    first = bytes.fromhex("1f2e3d4c5b6a7988" + "00" * 24)

    assert origin_of(log_id_of(first), "123456789012") == ORIGIN
    assert (HEAD.log_id, HEAD.account) == ("1f2e3d4c5b6a7988", "123456789012")
    assert TreeHead("example.com/log/1", 1, HEAD.root).account == ""


def test_keys_of_other_programs_are_read() -> None:
    """A verifier key as Go's `note` package writes it, and back to the letter."""
    key = PublicKey.parse(GO_KEY)

    assert (key.name, key.id.hex()) == ("PeterNeumann", "c74f20a3")
    assert key.text == GO_KEY
    assert PublicKey.parse(f"{GO_KEY}\n") == key


def test_checkpoints_of_other_programs_are_read() -> None:
    """Signed years ago by a log that everybody uses."""
    assert read(SUMDB_NOTE).size == 6_476_701
    check(SUMDB_NOTE, PublicKey.parse(SUMDB_KEY))
    with pytest.raises(BadNote, match="signature of the checkpoint"):
        check(SUMDB_NOTE.replace("6476701", "6476702"), PublicKey.parse(SUMDB_KEY))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "form"),
        ("name+12345678", "form"),
        (GO_KEY.replace("c74f20a3", "c74f20a4"), "key id"),
        (GO_KEY.replace("Peter", "Paul"), "key id"),
        (GO_KEY[:-4], "no Ed25519 key"),
        (GO_KEY[:-1], "no base64"),
        ("name+12345678+" + b64encode(b"\x02" + bytes(32)).decode(), "no Ed25519 key"),
        ("name+12345678+!!!!", "no base64"),
        ("\udcff+12345678+" + b64encode(b"\x01" + bytes(32)).decode(), "form"),
    ],
)
def test_a_text_that_is_no_key_is_refused(text: str, problem: str) -> None:
    """The message says what is wrong with it."""
    with pytest.raises(BadNote, match=problem):
        PublicKey.parse(text)


def test_a_note_with_more_lines_is_read_as_well() -> None:
    """Extension lines are signed with the rest; signatures by keys nobody asked about do not matter."""
    text = f"{HEAD.text}an extension\n"
    signed = KEY.sign(TreeHead(ORIGIN, 42, HEAD.root)).partition("\n\n")[2]
    key = PublicKey.parse(KEY.public(ORIGIN).text)

    with pytest.raises(BadNote, match="signature of the checkpoint"):
        check(f"{text}\n{signed}", key)
    assert read(f"{text}\n{signed}") == HEAD
    witness = OTHER_KEY.sign(HEAD).partition("\n\n")[2]
    check(f"{NOTE}{witness}", key)
    check(f"{HEAD.text}\n{witness}{signed}", key)
    check(f"{HEAD.text}\n\u2014 a.witness/x {b64encode(bytes(3000)).decode()}\n{signed}", key)


def test_another_key_proves_nothing() -> None:
    """Neither another key of that name, nor the same key under another name."""
    for key in (OTHER_KEY.public(ORIGIN), KEY.public("iam-ledger/1f2e3d4c5b6a7988/999999999999")):
        with pytest.raises(BadNote, match="not signed by the key"):
            check(NOTE, key)


def test_one_wrong_signature_by_the_key_is_one_too_many() -> None:
    """A note that the key has signed once well and once badly was tampered with."""
    wrong = KEY.sign(TreeHead(ORIGIN, 43, HEAD.root)).partition("\n\n")[2]

    with pytest.raises(BadNote, match="signature of the checkpoint"):
        check(f"{NOTE}{wrong}", KEY.public(ORIGIN))


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(0, 7))
def test_no_changed_bit_is_believed(offset: int, bit: int) -> None:
    """Wherever it is: in the text, in the name, in the signature."""
    changed = bytearray(NOTE.encode())
    changed[offset] ^= 1 << bit

    with pytest.raises(ValueError):  # noqa: PT011 (what is no UTF-8 cannot even be decoded)
        check(changed.decode(), KEY.public(ORIGIN))


@given(st.integers(0, len(NOTE) - 1))
def test_no_truncated_note_is_believed(length: int) -> None:
    """However much of it is left."""
    with pytest.raises(BadNote):
        check(NOTE[:length], KEY.public(ORIGIN))


@given(
    st.one_of(st.text(), st.lists(st.sampled_from(["\n", "\n\n", "\u2014 ", "a", " ", "42", "0", "=="])).map("".join))
)
def test_whatever_is_no_checkpoint_is_refused(text: str) -> None:
    """With BadNote, whatever it holds."""
    with pytest.raises(BadNote):
        read(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (NOTE.replace("\n42\n", "\n042\n"), "size"),
        (NOTE.replace("\n42\n", "\n-42\n"), "size"),
        (NOTE.replace("\n42\n", "\n4२\n"), "size"),
        (NOTE.replace("\n42\n", f"\n{'9' * 19}\n"), "size"),
        (NOTE.replace("\n42\n", "\n"), "lines of a checkpoint"),
        (NOTE.replace("XV1dXV", "XV1d"), "its root"),
        (NOTE.replace("\u2014", "-"), "malformed"),
        (NOTE.replace("\n", "\r\n"), "no signed note"),
        (f"{HEAD.text}\n\u2014 name AAAA\n", "too short"),
        (NOTE + NOTE.partition("\n\n")[2] * 100, "more than 100"),
    ],
)
def test_a_malformed_checkpoint_is_refused(text: str, problem: str) -> None:
    """The message says what is wrong with it."""
    with pytest.raises(BadNote, match=problem):
        read(text)
